"use strict";

// Shows the newest messages and polls for more every two seconds. Text is only set as text, never as markup; an email's
// HTML is shown in a frame without scripts.
(() => {
  const limit = 200;
  const $ = (id) => document.getElementById(id);
  let channel = new URLSearchParams(location.search).get("channel") || "";
  let newest = null;

  const el = (tag, className, text) => {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const time = (m) => {
    const t = el("time", "", new Date(m.receivedAt).toLocaleTimeString());
    t.dateTime = m.receivedAt;
    return t;
  };

  const card = (m) => {
    const li = el("li", "card");
    const app = el("div", "app");
    app.append(el("span", "", m.channel === "push" ? "carewire" : m.channel), time(m));
    li.append(app);
    if (m.title) li.append(el("h3", "", m.title));
    li.append(el("p", "", m.body));
    li.append(el("p", "app", "to " + m.to));
    return li;
  };

  const mail = (m) => {
    const li = el("li");
    const details = el("details");
    const summary = el("summary");
    summary.append(el("span", "to", m.to), el("span", "subject", m.subject), time(m));
    details.append(summary);
    details.addEventListener("toggle", () => {
      if (!details.open || details.dataset.filled) return;
      details.dataset.filled = "yes";
      const frame = el("iframe");
      frame.setAttribute("sandbox", "");
      frame.title = "Email: " + m.subject;
      frame.src = "/sandbox/messages/" + m.id + "/html";
      const plain = el("details");
      plain.append(el("summary", "", "Plain text"), el("pre", "", m.body));
      details.append(frame, plain, el("p", "meta", "delivery " + m.deliveryId));
    });
    li.append(details);
    return li;
  };

  const show = (messages) => {
    const known = newest === null ? 0 : newest;
    const top = messages.length ? messages[0].id : 0;
    if (newest === null || top < known || (messages.length === 0 && known > 0)) {
      $("phone-list").replaceChildren();
      $("mail-list").replaceChildren();
      newest = 0;
    }
    for (const m of [...messages].reverse()) {
      if (m.id <= newest) continue;
      (m.channel === "email" ? $("mail-list") : $("phone-list")).prepend(m.channel === "email" ? mail(m) : card(m));
    }
    newest = top;
    for (const id of ["phone-list", "mail-list"]) {
      while ($(id).children.length > limit) $(id).lastElementChild.remove();
    }
  };

  const showFaults = (faults) => {
    $("faults").hidden = faults.length === 0;
    $("faults").querySelector("ul").replaceChildren(...faults.map((f) => el("li", "", JSON.stringify(f))));
  };

  const ask = async (path) => {
    const answer = await fetch(path, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  const refresh = async () => {
    const asked = channel;
    try {
      const [messages, faults] = await Promise.all([
        ask("/sandbox/messages?limit=" + limit + (asked ? "&channel=" + asked : "")), ask("/sandbox/faults"),
      ]);
      if (asked !== channel) return;
      show(messages);
      showFaults(faults);
      $("status").textContent = messages.length >= limit ? "The newest " + limit + " messages." : messages.length + " messages.";
    } catch {
      $("status").textContent = "The service does not respond; retrying …";
    }
  };

  const choose = (next) => {
    channel = next;
    newest = null;
    for (const b of document.querySelectorAll("nav button")) b.setAttribute("aria-pressed", String(b.dataset.channel === channel));
    $("phone").hidden = channel === "email";
    $("mailbox").hidden = channel !== "" && channel !== "email";
    document.querySelector("main").classList.toggle("one", channel !== "");
    refresh();
  };

  for (const b of document.querySelectorAll("nav button")) b.addEventListener("click", () => choose(b.dataset.channel));
  for (const [id, path] of [["clear-messages", "/sandbox/messages"], ["clear-faults", "/sandbox/faults"]]) {
    $(id).addEventListener("click", async () => {
      await fetch(path, { method: "DELETE" });
      newest = null;
      refresh();
    });
  }
  choose(channel);
  setInterval(refresh, 2000);
})();
