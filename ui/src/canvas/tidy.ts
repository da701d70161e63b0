// Asks the worker for a tidy layout. The worker is started at the first question and ends after it.
import type { Model, Positions } from "../api/types";
import { heightOf, WIDTH } from "./place";
import type { TidyQuestion } from "./tidy.worker";

export function tidy(model: Model): Promise<Positions> {
  const worker = new Worker(new URL("./tidy.worker.ts", import.meta.url), { type: "module" });
  const question: TidyQuestion = {
    nodes: model.blocks.map((it) => ({ name: it.name, width: WIDTH, height: heightOf(it) })),
    edges: model.wires.map((it) => ({ from: it.consumer, to: it.provider })),
  };
  return new Promise<Positions>((done, failed) => {
    worker.onmessage = ({ data }: MessageEvent<Positions>) => done(data);
    worker.onerror = (event) => failed(new Error(event.message || "the layout could not be made"));
    worker.postMessage(question);
  }).finally(() => worker.terminate());
}
