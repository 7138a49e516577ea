// What a reader sees on the page now. Evaluated from outside, so it also works where the page may run no script.
(() => {
  const SILENT = "script, style, code, pre, kbd, samp, var, math, template, [translate=no]";
  const SPOKEN = ["alt", "aria-label", "placeholder", "title"];
  // An author may leave a cell of a table empty; one that waits for a live figure says so until then.
  const BLOCKS = "main :is(h1, h2, h3, h4, h5, h6, p, li, dt, dd, figcaption, summary, label, button, a, [data-fact])";

  const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
  const named = (element) => {
    const text = (element.innerText ?? element.textContent).trim().replace(/\s+/g, " ").slice(0, 40);
    const name = `${element.localName}${element.id ? `#${element.id}` : ""}${[...element.classList].map((each) => `.${each}`).join("")}`;
    return text ? `${name} “${text}”` : name;
  };
  // What speaks later is silent now.
  const speaksLater = (element) => element.matches("[role=status], [role=alert], [aria-live]");
  const hasSomething = (element) =>
    element.innerText.trim() || element.getAttribute("aria-label") || element.querySelector("img, svg, input, textarea, select, meter, progress");

  return {
    tooWide() {
      const root = document.documentElement;
      if (root.scrollWidth <= root.clientWidth) return [];
      const beyond = [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > root.clientWidth + 0.5);
      const outermost = beyond.filter((each) => !beyond.includes(each.parentElement));
      return [`${root.scrollWidth} of ${root.clientWidth} pixels: ${outermost.slice(0, 5).map(named).join("; ")}`];
    },

    words() {
      const found = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node instanceof Element ? node : node.parentElement;
        if (element.closest(SILENT) || !isShown(element)) continue;
        const texts = node instanceof Element ? SPOKEN.map((name) => element.getAttribute(name)) : [node.data];
        for (const text of texts) {
          if (text?.trim()) found.push([text.trim().replace(/\s+/g, " "), element.closest("[lang]")?.lang ?? ""]);
        }
      }
      return found;
    },

    missing() {
      const found = [];
      const main = document.querySelector("main");
      if (!main || main.innerText.trim().length < 40) found.push("the content is not there");
      for (const element of document.querySelectorAll(BLOCKS)) {
        if (isShown(element) && !speaksLater(element) && !hasSomething(element)) found.push(`empty: ${named(element)} in ${named(element.parentElement)}`);
      }
      for (const form of document.querySelectorAll("form")) {
        if (!isShown(form)) continue;
        const field = form.querySelector("textarea, input:not([type=hidden])");
        const button = form.querySelector("button:not([type=button])");
        if (!form.getAttribute("action")) found.push(`a form without an address: ${named(form)}`);
        if (!field || !isShown(field)) found.push(`a form without a field: ${named(form)}`);
        if (!button || !isShown(button)) found.push(`a form without a button: ${named(form)}`);
      }
      for (const button of document.querySelectorAll("button[type=button]")) {
        if (isShown(button)) found.push(`a button that does nothing: ${named(button)}`);
      }
      return found;
    },
  };
})()
