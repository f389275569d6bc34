// Keys, copying, and the count of what is new. Every page works without it.
"use strict";
(() => {
  const root = document.documentElement;
  const body = document.body;
  root.classList.add("script");
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  const help = one("#help");
  const showHelp = () => help && !help.open && help.showModal();
  one("#keys")?.addEventListener("click", showHelp);

  // Next and previous: a change, a row of a list, or the next attempt.
  let at = -1;
  const move = (step) => {
    const changes = all(".line.change");
    const items = changes.length ? changes : all("[data-item]");
    if (!items.length) {
      one(step > 0 ? "a[rel=next]" : "a[rel=prev]")?.click();
      return;
    }
    const focused = items.findIndex((item) => item.contains(document.activeElement));
    if (focused >= 0) at = focused;
    at = Math.min(items.length - 1, Math.max(0, at + step));
    items.forEach((item, place) => item.classList.toggle("current", place === at));
    const target = changes.length ? items[at] : items[at].querySelector("a, input") || items[at];
    target.focus({ preventScroll: true });
    items[at].scrollIntoView({ block: changes.length ? "center" : "nearest" });
  };

  const toPrompt = () => {
    const prompt = one("#prompt") || one("#prompt-title");
    if (!prompt) return;
    if (prompt.tagName === "DETAILS") prompt.open = true;
    prompt.scrollIntoView({ block: "start" });
    (prompt.querySelector("summary") || prompt).focus({ preventScroll: true });
  };

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    c: () => one("[data-key=c]")?.click(),
    n: () => one("[data-key=n]")?.click(),
    b: () => one("[data-key=b]")?.click(),
    r: () => one("[data-key=r]")?.click(),
    p: toPrompt,
    "/": () => one("#q")?.select(),
    "?": showHelp,
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=radio]):not([type=checkbox]), select, textarea");
    if (typing && event.key === "Escape") event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || help?.open) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // Copying: the exact text comes from its file, not from what is drawn.
  const put = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button.copy");
    if (!button) return;
    const word = button.dataset.word || button.textContent;
    button.dataset.word = word;
    try {
      let text = button.dataset.text;
      if (button.dataset.from) {
        const answer = await fetch(button.dataset.from);
        if (!answer.ok) throw new Error(String(answer.status));
        text = await answer.text();
      }
      await put(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = word; }, 1500);
  });

  // Only two may be ticked to be compared.
  document.addEventListener("change", (event) => {
    if (event.target.type !== "checkbox") return;
    const ticked = all("input[type=checkbox]:checked");
    if (ticked.length > 2) ticked.find((box) => box !== event.target).checked = false;
  });

  // What came since this page was made.
  const since = body.dataset.since;
  const told = one("#new");
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(`${body.dataset.new}?since=${since}`);
      if (!answer.ok) {
        told.textContent = "The store cannot be read now; reload this page to see why.";
        told.hidden = false;
        return;
      }
      const count = (await answer.json()).new;
      told.replaceChildren();
      told.hidden = !count;
      if (count) {
        const again = document.createElement("a");
        again.href = location.href;
        again.textContent = `${count >= 1000 ? "1000 or more" : count} new document${count === 1 ? "" : "s"}`;
        again.addEventListener("click", (event) => { event.preventDefault(); location.reload(); });
        told.append(again);
      }
    } catch {
      told.textContent = "The server does not answer; this page shows what it knew.";
      told.hidden = false;
    }
  };
  if (since !== undefined && told) setInterval(look, 4000);
})();
