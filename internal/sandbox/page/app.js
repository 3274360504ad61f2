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

  const notice = (m) => {
    const li = el("li", "notice");
    const app = el("div", "app");
    app.append(el("span", "", m.channel === "push" ? "carewire" : m.channel), time(m));
    li.append(app);
    if (m.title) li.append(el("h3", "", m.title));
    li.append(el("p", "", m.body));
    for (const a of m.actions?.length ? m.actions : [{ label: "Open", link: m.link }]) {
      if (!/^https?:/.test(a.link)) continue;
      const open = el("a", "", a.label);
      open.href = a.link;
      li.append(open);
    }
    // The page loads nothing from other hosts: a picture is shown by its address.
    if (m.image) li.append(el("p", "app", "image " + m.image));
    li.append(el("p", "app", ["to " + m.to, m.interruption].filter(Boolean).join(" · ")));
    return li;
  };

  const meta = (...parts) => el("p", "app", parts.filter(Boolean).join(" · "));
  const head = (name, m) => {
    const app = el("div", "app");
    app.append(el("span", "", name), time(m));
    return app;
  };

  // A text with its https and http addresses as links.
  const linked = (text) => {
    const p = el("p");
    let at = 0;
    for (const found of text.matchAll(/https?:\/\/[^\s<>"]+/g)) {
      p.append(text.slice(at, found.index));
      const a = el("a", "", found[0]);
      a.href = found[0];
      p.append(a);
      at = found.index + found[0].length;
    }
    p.append(text.slice(at));
    return p;
  };

  const sms = (m) => {
    const li = el("li", "talk");
    const bubble = el("div", "bubble");
    bubble.dir = "auto";
    bubble.append(linked(m.body));
    li.append(head("SMS from " + m.from, m), bubble, meta("to " + m.to, m.segments + (m.segments === 1 ? " segment" : " segments") + ", " + m.encoding, m.provider));
    return li;
  };

  // The approved text is with Meta: the page shows its name and the values of its variables. The variable part of the
  // button's URL is a link without its host, or a code to copy.
  const whatsapp = (m) => {
    const li = el("li", "talk whatsapp");
    const bubble = el("div", "bubble");
    bubble.dir = "auto";
    bubble.append(el("h3", "", m.template));
    if (m.variables?.length) {
      const list = el("ol", "variables");
      list.append(...m.variables.map((v) => el("li", "", v)));
      bubble.append(list);
    }
    if (m.button && /[/?]/.test(m.button)) {
      const open = el("a", "reply", "Open");
      open.href = "/" + m.button.replace(/^\/+/, "");
      bubble.append(open);
    } else if (m.button) {
      bubble.append(el("p", "reply", "Copy code " + m.button));
    }
    li.append(head("WhatsApp", m), bubble, meta("to " + m.to, "approved template " + m.template + " (" + m.language + ")"));
    return li;
  };
  const phone = { sms, whatsapp };

  // The frame has no scripts, so that its document may be measured.
  const frame = (m) => {
    const f = el("iframe");
    f.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox");
    f.title = "Email: " + m.subject;
    f.src = "/sandbox/messages/" + m.id + "/html";
    const fit = () => {
      const page = f.contentDocument?.documentElement;
      if (page) f.style.height = page.scrollHeight + "px";
    };
    f.addEventListener("load", () => {
      for (const a of f.contentDocument?.querySelectorAll("a") ?? []) a.target = "_blank";
      f.style.height = "0";
      fit();
      addEventListener("resize", fit);
    });
    return f;
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
      const plain = el("details");
      plain.append(el("summary", "", "Plain text"), el("pre", "", m.body));
      details.append(frame(m), plain);
      if (m.headers) {
        const headers = el("details");
        headers.append(el("summary", "", "Headers"), el("pre", "", Object.entries(m.headers).map(([name, value]) => name + ": " + value).join("\n")));
        details.append(headers);
      }
      details.append(el("p", "meta note", "delivery " + m.deliveryId));
    });
    li.append(details);
    return li;
  };

  // Every recipient that was seen can be chosen; the others' messages are hidden.
  const people = $("person");
  const remember = (to) => {
    if ([...people.options].some((o) => o.value === to)) return;
    people.add(new Option(to, to));
  };
  const filter = () => {
    for (const li of document.querySelectorAll("#phone-list > li, #mail-list > li")) li.hidden = people.value !== "" && li.dataset.to !== people.value;
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
      remember(m.to);
      if (m.id <= newest) continue;
      const li = m.channel === "email" ? mail(m) : (phone[m.channel] ?? notice)(m);
      li.dataset.to = m.to;
      (m.channel === "email" ? $("mail-list") : $("phone-list")).prepend(li);
    }
    newest = top;
    for (const id of ["phone-list", "mail-list"]) {
      while ($(id).children.length > limit) $(id).lastElementChild.remove();
    }
    filter();
  };

  const inWords = (f) => {
    const what = f.acceptThenHang ? "accepts the message and never answers" : f.hang ? "never answers"
      : f.errorCode || f.status ? "answers with " + [f.status, f.errorCode].filter(Boolean).join(" ") : "answers after " + f.delayMs + " ms";
    const more = [];
    if (f.delayMs && (f.errorCode || f.status)) more.push("after " + f.delayMs + " ms");
    if (f.retryAfterSeconds) more.push("Retry-After " + f.retryAfterSeconds + " s");
    if (f.probability !== undefined) more.push("with probability " + f.probability);
    more.push(f.count ? f.left + " more " + (f.left === 1 ? "time" : "times") : "until cleared");
    return (f.provider || f.channel || "every provider") + (f.to ? " for " + f.to : "") + " " + what + ", " + more.join(", ");
  };
  const showFaults = (faults) => {
    $("faults").hidden = faults.length === 0;
    $("no-faults").hidden = faults.length > 0;
    $("faults").querySelector("ul").replaceChildren(...faults.map((f) => el("li", "", inWords(f))));
  };

  // The time is in the browser's zone.
  const duration = (ms) => {
    const minutes = Math.round(ms / 60000);
    const parts = [[Math.floor(minutes / 1440), "day"], [Math.floor(minutes / 60) % 24, "hour"], [minutes % 60, "minute"]];
    return parts.filter(([n]) => n > 0).map(([n, unit]) => n + " " + unit + (n === 1 ? "" : "s")).join(" ");
  };
  const showClock = ({ now }) => {
    const at = new Date(now);
    $("clock").hidden = false;
    $("clock-now").textContent = at.toLocaleString([], { dateStyle: "full", timeStyle: "short" });
    $("clock-now").dateTime = now;
    const ahead = duration(at - Date.now());
    $("clock-ahead").textContent = ahead ? ", " + ahead + " ahead of the real time" : "";
  };

  const ask = async (path) => {
    const answer = await fetch(path, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  const refresh = async () => {
    const asked = channel;
    try {
      const [messages, faults, clock] = await Promise.all([
        ask("/sandbox/messages?limit=" + limit + (asked ? "&channel=" + asked : "")), ask("/sandbox/faults"), ask("/sandbox/clock").catch(() => null),
      ]);
      if (asked !== channel) return;
      if (clock) showClock(clock);
      show(messages);
      showFaults(faults);
      $("status").textContent = messages.length >= limit ? "The newest " + limit + " messages." : messages.length + " messages.";
    } catch {
      $("status").textContent = "The service does not respond; retrying …";
    }
  };

  const names = { "": "notifications", push: "push notifications", sms: "SMS", whatsapp: "WhatsApp messages" };
  const choose = (next) => {
    channel = next;
    newest = null;
    for (const b of document.querySelectorAll("[data-channel]")) b.setAttribute("aria-pressed", String(b.dataset.channel === channel));
    $("phone").hidden = channel === "email";
    $("mailbox").hidden = channel !== "" && channel !== "email";
    $("phone-empty").textContent = "No " + (names[channel] ?? "messages") + " yet.";
    $("views").classList.toggle("one", channel !== "");
    refresh();
  };

  const kinds = {
    down: { status: 503 }, throttled: { status: 429, retryAfterSeconds: 5 }, rejected: { status: 400 }, slow: { delayMs: 5000 }, hang: { hang: true },
    lost: { acceptThenHang: true },
  };
  $("fault").addEventListener("submit", async (e) => {
    e.preventDefault();
    const form = new FormData(e.target);
    const fault = { ...kinds[form.get("kind")], count: Number(form.get("count")) };
    for (const name of ["channel", "to"]) if (form.get(name)) fault[name] = form.get(name).trim();
    if (fault.channel?.startsWith("provider:")) {
      fault.provider = fault.channel.slice("provider:".length);
      delete fault.channel;
    }
    const answer = await fetch("/sandbox/faults", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fault) });
    const problem = answer.ok ? null : await answer.json().catch(() => ({}));
    $("fault-error").textContent = problem ? problem.errors?.[0]?.message || problem.detail || "The fault was not set." : "";
    refresh();
  });
  const advance = async (by) => {
    const answer = await fetch("/sandbox/clock", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ advance: by }) });
    const body = await answer.json().catch(() => ({}));
    $("clock-error").textContent = answer.ok ? "" : "The time to move by " + (body.errors?.[0]?.message || "was not accepted: " + (body.detail || answer.status));
    $("clock-done").textContent = answer.ok ? "Moved by " + by + ". What is due by now is sent." : "";
    if (answer.ok) showClock(body);
    refresh();
    return answer.ok;
  };
  for (const b of document.querySelectorAll("[data-advance]")) b.addEventListener("click", () => advance(b.dataset.advance));
  $("clock-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    if (await advance(new FormData(e.target).get("advance").trim())) e.target.reset();
  });
  people.addEventListener("change", filter);
  for (const b of document.querySelectorAll("[data-channel]")) b.addEventListener("click", () => choose(b.dataset.channel));
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
