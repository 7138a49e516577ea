// Registers the elements of the assistant. A page links this one module; the others follow.
import { AnswerCard } from "./answer-card.js";
import { AnswerReceipt } from "./answer-receipt.js";
import { ChatPanel } from "./chat-panel.js";
import { PilotLight } from "./pilot-light.js";
import { QuestionField } from "./question-field.js";
import { RungLadder } from "./rung-ladder.js";

customElements.define("pilot-light", PilotLight);
customElements.define("rung-ladder", RungLadder);
customElements.define("answer-receipt", AnswerReceipt);
customElements.define("answer-card", AnswerCard);
customElements.define("question-field", QuestionField);
// Last: it uses the others as soon as it is connected.
customElements.define("chat-panel", ChatPanel);
