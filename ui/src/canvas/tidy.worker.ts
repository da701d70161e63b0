// The tidy layout, away from the main thread. Where next: tidy.ts.
import dagre from "@dagrejs/dagre";

export interface TidyQuestion {
  nodes: { name: string; width: number; height: number }[];
  edges: { from: string; to: string }[];
}

self.onmessage = ({ data }: MessageEvent<TidyQuestion>) => {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 40, ranksep: 130, marginx: 40, marginy: 40 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { name, width, height } of data.nodes) graph.setNode(name, { width, height });
  for (const { from, to } of data.edges) graph.setEdge(from, to);
  dagre.layout(graph);
  const placed: Record<string, { x: number; y: number }> = {};
  for (const { name, width, height } of data.nodes) {
    const it = graph.node(name);
    placed[name] = { x: Math.round((it.x - width / 2) / 8) * 8, y: Math.round((it.y - height / 2) / 8) * 8 };
  }
  self.postMessage(placed);
};
