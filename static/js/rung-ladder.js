// The scale beside the conversation: marks the rung of the answer that the page tells of.

export class RungLadder extends HTMLElement {
  connectedCallback() {
    this.listener = (event) => this.mark(event.detail);
    document.addEventListener("answer-rung", this.listener);
  }

  disconnectedCallback() {
    document.removeEventListener("answer-rung", this.listener);
  }

  /** Mark the rung named `rung`, none when it is null. */
  mark({ rung, live }) {
    for (const step of this.querySelectorAll("[data-rung]")) {
      const here = step.dataset.rung === rung;
      if (here) {
        step.setAttribute("aria-current", "true");
      } else {
        step.removeAttribute("aria-current");
      }
      step.toggleAttribute("data-live", here && live);
      const lit = step.dataset.rung === "small" || step.dataset.rung === "large";
      step.querySelector("pilot-light").show(lit ? step.dataset.rung : "unlit", here && live && lit);
    }
  }
}
