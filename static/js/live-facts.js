// Live figures on public pages, whose HTML holds none: read once for a page, written into the cells that wait for them.
//
// A cell names its figure in data-fact ("answers.total", "." for all of them) and how it is written in data-format:
// count (the default), small, percent, usd, date, text, word, languages or fingerprint. data-words is a sentence around
// it, with {value} or, where the figure is an object, with the names of its parts.

const WAIT_MS = 10_000;
const NOTHING = "–";
const readings = new Map();

/** Return the figures at `url`; elements with the same address share one reading. */
function readFrom(url) {
  if (!readings.has(url)) {
    readings.set(url, read(url));
  }
  return readings.get(url);
}

async function read(url) {
  const response = await fetch(url, { credentials: "omit", signal: AbortSignal.timeout(WAIT_MS) });
  if (!response.ok) {
    await response.body?.cancel(); // else the connection stays open for a page that nobody reads
    throw new Error(`figures: ${response.status}`);
  }
  return response.json();
}

/** Return the figure at a dotted path, undefined where there is none; "." is everything. */
export function figureAt(figures, path) {
  return path === "." ? figures : path.split(".").reduce((found, name) => found?.[name], figures);
}

/** Return one figure as people of `language` write it; a dash for one that does not exist yet. */
export function written(figure, format, language) {
  if (figure === null || figure === undefined) {
    return NOTHING;
  }
  switch (format) {
    case "percent":
      return new Intl.NumberFormat(language, { style: "percent" }).format(figure);
    case "small":
      return new Intl.NumberFormat(language, { maximumSignificantDigits: 2 }).format(figure);
    case "usd":
      return writtenDollars(figure, language);
    case "date":
      return writtenDate(figure, language);
    case "languages":
      return writtenLanguages(figure, language);
    case "text":
      return figure;
    default:
      return new Intl.NumberFormat(language).format(figure);
  }
}

/** US dollars, as the server writes them: a price of a million tokens may be a part of a cent. */
function writtenDollars(figure, language) {
  const decimals = { minimumFractionDigits: 2, maximumFractionDigits: figure < 1 ? 6 : 4 };
  return `${new Intl.NumberFormat(language, decimals).format(figure)}\u00a0USD`;
}

/** A day, or a moment of UTC: the tally's days end at midnight UTC, wherever the reader is. */
function writtenDate(text, language) {
  const day = { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  // The site writes its English dates day first.
  const locale = language === "en" ? "en-GB" : language;
  return new Intl.DateTimeFormat(locale, text.includes("T") ? { ...day, ...time } : day).format(new Date(text));
}

function writtenLanguages(codes, language) {
  const names = new Intl.DisplayNames([language], { type: "language" });
  return new Intl.ListFormat(language).format(codes.map((code) => names.of(code)));
}

/** Return `words` with its {names} replaced by the parts of a figure, or {value} by the figure itself. */
export function inWords(words, figure, format, language) {
  return words.replace(/\{(\w+)\}/g, (_whole, name) =>
    written(name === "value" ? figure : figure?.[name], format, language),
  );
}

/** Write a cell. A fingerprint may break between its groups of eight and is still copied in one piece. */
function fill(cell, figures, language) {
  const figure = figureAt(figures, cell.dataset.fact);
  const { format = "count", words } = cell.dataset;
  if (format === "fingerprint" && figure) {
    cell.replaceChildren(...figure.match(/.{1,8}/g).flatMap((group) => [group, document.createElement("wbr")]));
  } else if (format === "word" || format === "fingerprint") {
    cell.textContent = cell.getAttribute(`data-word-${figure}`) ?? figure ?? NOTHING;
  } else {
    cell.textContent = words ? inWords(words, figure, format, language) : written(figure, format, language);
  }
}

function fillAll(root, figures, language) {
  for (const cell of root.querySelectorAll("[data-fact]")) {
    fill(cell, figures, language);
  }
}

/** Return what stands in the place of a list without things: a row of a table stays a row. */
function noneOf(plate) {
  const isRow = plate instanceof HTMLTableRowElement;
  const none = document.createElement(isRow ? "td" : "p");
  none.textContent = plate.dataset.none;
  if (!isRow) {
    return none;
  }
  none.colSpan = plate.cells.length;
  const row = document.createElement("tr");
  row.append(none);
  return row;
}

/** Write a list of things into `plate`, the first one's place, and into a copy of it for each further one. */
function fillEach(plate, things, language) {
  const plates = things.map((_thing, number) => (number === 0 ? plate : plate.cloneNode(true)));
  if (plates.length === 0) {
    plates.push(noneOf(plate));
  }
  plate.replaceWith(...plates);
  things.forEach((thing, number) => fillAll(plates[number], thing, language));
}

export class LiveFacts extends HTMLElement {
  async connectedCallback() {
    const language = this.closest("[lang]")?.lang || "en";
    try {
      this.show(await readFrom(this.dataset.url), language);
    } catch {
      this.fail();
    }
  }

  show(figures, language) {
    const lists = [...this.querySelectorAll("[data-each]")];
    const cells = [...this.querySelectorAll("[data-fact]")].filter((cell) => !cell.closest("[data-each]"));
    cells.forEach((cell) => fill(cell, figures, language));
    lists.forEach((plate) => fillEach(plate, figureAt(figures, plate.dataset.each), language));
    this.querySelector("[data-when=waiting]").hidden = true;
    this.querySelector("[data-when=read]").hidden = false;
  }

  /** The cells keep their dashes; the line below says why and where else to look. */
  fail() {
    const line = this.querySelector("[data-when=waiting]");
    line.querySelector("span").textContent = line.dataset.failed;
  }
}

customElements.define("live-facts", LiveFacts);
