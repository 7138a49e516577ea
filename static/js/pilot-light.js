// One small lamp that tells the truth: unlit, small, waking, large, out. Drawn in _pilot_light.html,
// styled in lamp.css. The one with data-follows, in the bar of the page, burns while an answer is being written.

export const LAMP_STATES = ["unlit", "small", "waking", "large", "out"];

export class PilotLight extends HTMLElement {
  connectedCallback() {
    if ("follows" in this.dataset) {
      this.listener = ({ detail }) => this.show(detail.live ? detail.lamp : "unlit", detail.live);
      document.addEventListener("answer-rung", this.listener);
    }
  }

  disconnectedCallback() {
    document.removeEventListener("answer-rung", this.listener);
  }

  /** Show `state`, one of LAMP_STATES; `live` while something happens at this moment. */
  show(state, live) {
    this.setAttribute("state", LAMP_STATES.includes(state) ? state : "unlit");
    this.toggleAttribute("live", live);
  }
}
