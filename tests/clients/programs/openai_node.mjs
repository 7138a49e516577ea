// The openai package for Node.js: the steps named on the command line, and what came of each as JSON.

import OpenAI from "openai";

const { API_BASE: baseURL, API_KEY: apiKey, API_KEY_SPENT: spentKey, API_KEY_LIMITED: limitedKey } = process.env;
const [REAL, SCRIPTED, EMBED, NONE] = ["wagmi-small", "wagmi-slow", "wagmi-embed", "wagmi-none"];
// What the scripted model server does is in the question (tests/clients/upstream.py).
const [SAY, LATE, NEVER, BREAK, ENDLESS] = ["say it", "say it late", "never say it", "break off", "say it for ever"];
const TEXTS = ["A cat sleeps.", "Rates are in tokens."];
const TOOL = {
  type: "function",
  function: { name: "weather", description: "The weather.", parameters: { type: "object", properties: {} } },
};

const client = new OpenAI({ baseURL, apiKey });
const once = { maxRetries: 0 };
const asked = (text, model = SCRIPTED) => ({ model, messages: [{ role: "user", content: text }] });
const tokens = (usage) => [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens];
const counted = (chunks) => chunks.filter((chunk) => chunk.usage).length;
const text = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");

function raised(error) {
  return {
    raised: `openai.${error.constructor.name}`,
    message: error.message,
    status_code: error.status ?? null,
    code: error.code ?? null,
    param: error.param ?? null,
    type: error.type ?? null,
    request_id: error.requestID ?? null,
    retry_after: error.headers?.get?.("retry-after") ?? null,
  };
}

async function chunksOf(body, options) {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true }, options)) chunks.push(chunk);
  return chunks;
}

async function drain(mine) {
  for (let number = 0; number < 100; number++) {
    try {
      await mine.chat.completions.create(asked(SAY, NONE), once);
    } catch (error) {
      if (error instanceof OpenAI.RateLimitError) return number;
      if (!(error instanceof OpenAI.NotFoundError)) throw error;
    }
  }
  throw new Error("no limit in 100 calls");
}

const steps = {
  async models() {
    const ids = [];
    for await (const each of client.models.list()) ids.push(each.id);
    return { ids, one: (await client.models.retrieve(SCRIPTED)).id };
  },
  async chat() {
    const found = await client.chat.completions.create(asked(SAY));
    const { message, finish_reason: reason } = found.choices[0];
    const { content, role } = message;
    return {
      text: content, role, reason, model: found.model, usage: tokens(found.usage), request_id: found._request_id,
    };
  },
  async real() {
    const found = await client.chat.completions.create({ ...asked("Which licence?", REAL), max_tokens: 8, seed: 1 });
    return { text: found.choices[0].message.content, model: found.model, tokens: found.usage.completion_tokens };
  },
  async completion() {
    const [choice] = (await client.completions.create({ model: SCRIPTED, prompt: SAY })).choices;
    return { text: choice.text, reason: choice.finish_reason };
  },
  async stream() {
    const chunks = await chunksOf(asked(SAY));
    return {
      text: text(chunks),
      role: chunks[0].choices[0].delta.role,
      reason: chunks.at(-1).choices[0].finish_reason,
      usages: counted(chunks),
      ids: new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size,
    };
  },
  async usage() {
    const chunks = await chunksOf({ ...asked(SAY), stream_options: { include_usage: true } });
    const last = chunks.at(-1);
    return { usages: counted(chunks), choices: last.choices.length, usage: tokens(last.usage) };
  },
  async tools() {
    return { text: (await client.chat.completions.create({ ...asked(SAY), tools: [TOOL] })).id };
  },
  async embeddings() {
    const unset = await client.embeddings.create({ model: EMBED, input: TEXTS });
    const floats = await client.embeddings.create({ model: EMBED, input: TEXTS, encoding_format: "float" });
    const differences = unset.data.flatMap(({ embedding }, row) =>
      embedding.map((value, column) => Math.abs(value - floats.data[row].embedding[column])));
    return {
      lengths: unset.data.map((each) => each.embedding.length),
      order: unset.data.map((each) => each.index),
      apart: Math.max(...differences),
      norm: unset.data[0].embedding.reduce((sum, value) => sum + value * value, 0),
      tokens: unset.usage.prompt_tokens,
    };
  },
  async unauthorized() {
    return { ids: (await client.withOptions({ apiKey: "wag_wrong" }).models.list()).data };
  },
  async missing() {
    return { text: (await client.chat.completions.create(asked(SAY, NONE))).id };
  },
  async spent() {
    return { text: (await client.withOptions({ apiKey: spentKey }).chat.completions.create(asked(SAY))).id };
  },
  // At the limit of the minute: what one attempt is told, and that the retries of another one wait long enough.
  async limited() {
    const mine = client.withOptions({ apiKey: limitedKey });
    const letIn = await drain(mine);
    const told = await mine.chat.completions.create(asked(SAY, NONE), once).catch(raised);
    const began = performance.now();
    const found = await mine.chat.completions.create(asked(SAY));
    const waited = (performance.now() - began) / 1000;
    return { ...told, let_in: letIn, text: found.choices[0].message.content, waited };
  },
  async busy() {
    return { text: (await client.chat.completions.create(asked(SAY), { maxRetries: 1 })).id };
  },
  // The first token comes after twice the client's timeout.
  async late() {
    return { text: text(await chunksOf(asked(LATE), { timeout: 1500 })) };
  },
  async timeout() {
    return { text: (await client.chat.completions.create(asked(NEVER), { timeout: 500, maxRetries: 1 })).id };
  },
  async broken() {
    const chunks = [];
    try {
      for await (const chunk of await client.chat.completions.create({ ...asked(BREAK), stream: true })) {
        chunks.push(chunk);
      }
    } catch (error) {
      return { ...raised(error), pieces: text(chunks) };
    }
    return { pieces: text(chunks) };
  },
  async broken_whole() {
    return { text: (await client.chat.completions.create(asked(BREAK), once)).id };
  },
  async abort() {
    let pieces = 0;
    for await (const chunk of await client.chat.completions.create({ ...asked(ENDLESS), stream: true })) {
      pieces += Boolean(chunk.choices[0].delta.content);
      if (pieces === 3) break;
    }
    return { pieces, left_at: Number(process.hrtime.bigint()) / 1e9 };
  },
};

const found = {};
for (const name of process.argv.slice(2)) {
  const began = performance.now();
  const facts = await steps[name]().catch(raised);
  found[name] = { ...facts, seconds: Math.round((performance.now() - began) / 10) / 100 };
}
console.log(JSON.stringify(found));
