"use strict";

// The contents of a documentation page: open on wide screens, and filtered by what is typed. Every word must occur in an
// entry's text. The page is complete without this script.
(() => {
  const contents = document.getElementById("contents");
  if (contents && matchMedia("(min-width: 56rem)").matches) contents.open = true;
  const box = document.getElementById("filter");
  if (!box) return;
  box.parentElement.hidden = false;

  const items = [...document.querySelectorAll("main .item")].map((item) => ({
    item, text: [...item.querySelectorAll("h3, .route")].map((e) => e.textContent).join(" ").toLowerCase(),
  }));
  const groups = [...document.querySelectorAll("main .group")];
  const entries = [...contents.querySelectorAll("li")].map((item) => ({ item, text: item.textContent.toLowerCase() }));
  const sections = [...contents.querySelectorAll(".section")];

  const apply = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = ({ text }) => words.every((w) => text.includes(w));
    let shown = 0;
    for (const i of items) {
      i.item.hidden = !matches(i);
      if (!i.item.hidden) shown++;
    }
    for (const e of entries) e.item.hidden = !matches(e);
    const empty = (e, selector) => words.length > 0 && e.querySelector(selector) && !e.querySelector(selector + ":not([hidden])");
    for (const g of groups) g.hidden = empty(g, ".item");
    for (const s of sections) s.hidden = empty(s, "li");
    document.getElementById("matches").textContent = words.length ? (shown === 1 ? "1 match" : shown + " matches") : "";
  };
  box.addEventListener("input", apply);
  // A link into the page may lead to an entry that the filter hides.
  addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !target.closest("[hidden]")) return;
    box.value = "";
    apply();
    target.scrollIntoView();
  });
})();
