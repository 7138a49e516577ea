/* A form whose button asks the browser for a passkey, puts the answer into a hidden field and sends the form.
   Without scripts or passkeys the button stays hidden and a sentence says why. */

const ceremonies = { get: "get", create: "create" };

/** Bytes of base64url text, which is how options name what the browser wants as bytes. */
export function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

/** The base64url text of a buffer, null for none. */
export function text(buffer) {
  if (!buffer) {
    return null;
  }
  const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The server's options with bytes where the browser wants bytes. */
export function readable({ publicKey }) {
  const known = (list) => (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));
  const read = { ...publicKey, challenge: bytes(publicKey.challenge) };
  if (read.user) {
    read.user = { ...read.user, id: bytes(read.user.id) };
    read.excludeCredentials = known(read.excludeCredentials);
  } else {
    read.allowCredentials = known(read.allowCredentials);
  }
  return { publicKey: read };
}

/** What the server reads of the browser's answer. */
export function answer(credential) {
  const { response } = credential;
  const parts = { clientDataJSON: text(response.clientDataJSON) };
  if (response.attestationObject) {
    parts.attestationObject = text(response.attestationObject);
    parts.transports = response.getTransports?.() ?? [];
  } else {
    parts.authenticatorData = text(response.authenticatorData);
    parts.signature = text(response.signature);
    parts.userHandle = text(response.userHandle);
  }
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: parts,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

class PasskeyForm extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    if (!window.PublicKeyCredential) {
      return;
    }
    this.querySelector("[data-without]").hidden = true;
    this.querySelector("button").hidden = false;
    this.form.addEventListener("submit", (event) => this.submit(event));
  }

  async submit(event) {
    event.preventDefault();
    const problem = this.querySelector("[data-problem]");
    problem.hidden = true;
    try {
      const options = readable(await this.options());
      const credential = await navigator.credentials[ceremonies[this.dataset.ceremony]](options);
      this.form.elements.credential.value = JSON.stringify(answer(credential));
      this.form.submit();
    } catch {
      // Refused, timed out, or away: browsers do not say which, on purpose.
      problem.hidden = false;
    }
  }

  async options() {
    if (this.dataset.from) {
      return JSON.parse(document.getElementById(this.dataset.from).textContent);
    }
    const body = new URLSearchParams(new FormData(this.form));
    const response = await fetch(this.dataset.options, { method: "POST", body });
    if (!response.ok) {
      throw new Error(`options ${response.status}`);
    }
    return await response.json();
  }
}

customElements.define("passkey-form", PasskeyForm);
