// The sentences of the script, translated by the server and carried in the page (templates/chat/_words.html).

/** Return `say(key, values)`: the sentence under `key` with its {names} filled in; an unknown key gives "". */
export function readWords(template) {
  const words = new Map();
  for (const node of template.content.querySelectorAll("[data-word]")) {
    words.set(node.dataset.word, node.textContent);
  }
  return (key, values = {}) => {
    const text = words.get(key) ?? "";
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };
}
