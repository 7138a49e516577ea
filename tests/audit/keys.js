// The stops of the keyboard in the order of the document, and how each looks before it is reached.
(() => {
  const FOCUSABLE = "a[href], area[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [contenteditable], [tabindex]";
  const LOOKS = ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderColor", "backgroundColor", "textDecorationLine"];
  let stops = [];
  let before = new Map();

  const look = (element) => {
    const style = getComputedStyle(element);
    const seen = LOOKS.map((name) => style[name]);
    // A colour or width of an outline that is not drawn is nothing to see.
    return style.outlineStyle === "none" || style.outlineWidth === "0px" ? ["none", "", "", ...seen.slice(3)].join("|") : seen.join("|");
  };
  // A field may be shown by the frame around it.
  const looks = (element) => [element, element.parentElement, element.parentElement.parentElement].filter(Boolean).map(look);
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  const isStop = (element) =>
    element.matches(FOCUSABLE) && element.tabIndex >= 0 && !element.disabled && !element.closest("[inert]") && isShown(element);
  // The browser lets the keyboard into what scrolls and holds no other stop.
  const isScroller = (element) => {
    const { overflowX, overflowY } = getComputedStyle(element);
    const across = /auto|scroll/.test(overflowX) && element.scrollWidth > element.clientWidth;
    const down = /auto|scroll/.test(overflowY) && element.scrollHeight > element.clientHeight;
    return (across || down) && element.tabIndex < 0 && !element.hasAttribute("tabindex") && isShown(element) && ![...element.querySelectorAll(FOCUSABLE)].some(isStop);
  };
  const named = (element) => {
    const text = (element.getAttribute("aria-label") ?? element.innerText ?? "").trim().replace(/\s+/g, " ").slice(0, 40);
    return `${element.localName}${element.className ? `.${String(element.className).replaceAll(" ", ".")}` : ""} “${text}”`;
  };
  const frames = (count) => new Promise((resolve) => {
    const next = (left) => (left ? requestAnimationFrame(() => next(left - 1)) : resolve());
    next(count);
  });

  return {
    begin() {
      document.activeElement?.blur();
      stops = [...document.body.querySelectorAll("*")].filter((element) => isStop(element) || isScroller(element));
      before = new Map(stops.map((element) => [element, looks(element)]));
      return stops.map(named);
    },

    async now() {
      const element = document.activeElement;
      if (!element || element === document.body || element === document.documentElement) return { index: null, problems: [] };
      const index = stops.indexOf(element);
      if (index < 0) return { index: 0, problems: [`is left for ${named(element)}, which is no stop`] };
      const problems = [];
      let shown = false;
      for (let wait = 0; wait < 15 && !shown; wait += 1) {
        const now = looks(element);
        shown = now.some((each, at) => each !== before.get(element)[at]);
        if (!shown) await frames(2);
      }
      if (!shown) problems.push("shows no focus");
      const box = element.getBoundingClientRect();
      if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) problems.push("is outside the window when it has the focus");
      return { index, problems };
    },
  };
})()
