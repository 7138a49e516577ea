// Builds elements from the server's tree: foreign text becomes text, only what is listed here becomes an element.

const TAGS = new Set(["p", "ul", "ol", "li", "strong", "em", "code", "pre", "a", "br", "blockquote"]);
const MAX_DEPTH = 20;

/** Return a fragment of the nodes: a string is text, a list is [tag, attributes, ...children]. */
export function buildTree(nodes, depth = 0) {
  const fragment = document.createDocumentFragment();
  for (const node of nodes) {
    if (typeof node === "string") {
      fragment.append(node);
    } else if (Array.isArray(node) && depth < MAX_DEPTH) {
      fragment.append(buildNode(node, depth));
    }
  }
  return fragment;
}

function buildNode([tag, attributes, ...children], depth) {
  const inner = buildTree(children, depth + 1);
  if (!TAGS.has(tag)) {
    return inner;
  }
  const element = document.createElement(tag);
  if (tag === "a") {
    const address = safeAddress(attributes?.href);
    if (address === null) {
      return inner;
    }
    element.href = address;
    element.rel = "noopener nofollow";
  }
  element.append(inner);
  return element;
}

/** Return an http(s) address or null; an address within the site stays as it is. */
export function safeAddress(address) {
  try {
    const url = new URL(address, document.baseURI);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}
