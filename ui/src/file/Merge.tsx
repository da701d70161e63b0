// One's own text and the file's, side by side; what is on the right is what is kept. Loaded only when
// both changed the same lines.
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { Button } from "../parts/Button";
import { useTheme } from "../state/theme";
import { language, looks } from "./Editor";

export interface MergeProps {
  theirs: string;
  mine: string;
  onSettle(text: string): void;
}

export default function Merge({ theirs, mine, onSettle }: MergeProps) {
  const host = useRef<HTMLDivElement>(null);
  const read = useRef<() => string>(() => mine);
  const { dark } = useTheme();
  useEffect(() => {
    const box = host.current;
    if (box === null) return;
    const root = box.shadowRoot ?? box.attachShadow({ mode: "open" });
    const common = [lineNumbers(), language, looks(dark), EditorView.lineWrapping];
    const label = (text: string) => EditorView.contentAttributes.of({ "aria-label": text, tabindex: "0" });
    if (window.innerWidth < 900) {
      const view = new EditorView({
        root,
        parent: root,
        doc: mine,
        extensions: [...common, label("Both, in one"), unifiedMergeView({ original: theirs })],
      });
      read.current = () => view.state.doc.toString();
      return () => view.destroy();
    }
    const view = new MergeView({
      root,
      parent: root,
      a: { doc: theirs, extensions: [...common, label("The file now"), EditorState.readOnly.of(true)] },
      b: { doc: mine, extensions: [...common, label("What will be kept")] },
      revertControls: "a-to-b",
      gutter: true,
    });
    view.dom.style.height = "100%";
    view.dom.style.overflow = "auto";
    read.current = () => view.b.state.doc.toString();
    return () => view.destroy();
  }, [theirs, mine, dark]);
  return (
    <div className="merge">
      <p className="merge-titles" aria-hidden="true">
        <span>The file now</span>
        <span>What will be kept: yours, and what you take over</span>
      </p>
      <div className="merge-host" ref={host} />
      <footer>
        <Button weight="primary" onClick={() => onSettle(read.current())}>
          Keep the right side
        </Button>
      </footer>
    </div>
  );
}
