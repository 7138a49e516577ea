// Writes beside each pair of colours on the component page how strongly they differ, and beside each size what it is now.
// Computed from the tokens in force, so the figures follow the scheme and can never be out of date.

/** Relative luminance of an opaque colour, WCAG 2.2. `rgb` are three numbers from 0 to 255. */
export function luminance(rgb) {
  const [red, green, blue] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Contrast of two opaque colours: 1 to 21, WCAG 2.2. */
export function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function colour(token) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${token})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return found;
}

function show() {
  for (const row of document.querySelectorAll("[data-ink][data-ground]")) {
    const found = contrast(colour(row.dataset.ink), colour(row.dataset.ground));
    row.querySelector("[data-contrast]").textContent = `${(Math.floor(found * 10) / 10).toFixed(1)} : 1`;
    row.dataset.found = String(found);
    row.querySelector("[data-verdict]").textContent = found >= Number(row.dataset.needs) ? "holds" : "too weak";
  }
  for (const cell of document.querySelectorAll("[data-size]")) {
    cell.textContent = `${Number.parseFloat(getComputedStyle(cell.parentElement.querySelector("[data-specimen]")).fontSize).toFixed(1)} px`;
  }
}

show();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
addEventListener("resize", show);
