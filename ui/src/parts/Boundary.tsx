// What a page shows when drawing it broke: what it was, and a way on, instead of a white window.
import { Component, type ReactNode } from "react";
import { Button } from "./Button";

interface State {
  error: Error | null;
}

export class Boundary extends Component<{ children: ReactNode }, State> {
  state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  componentDidCatch(error: unknown): void {
    console.error("the page could not be drawn", error);
  }

  render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    // A part that could not be fetched is another matter than a mistake of ours.
    const fetching = /dynamically imported module|Failed to fetch|preload/i.test(error.message);
    return (
      <div className="problem" role="alert">
        <h2 className="lesser">
          {fetching ? "A part of the page could not be fetched" : "This page could not be drawn"}
        </h2>
        <p>{fetching ? "The connection to the server broke. What runs keeps running." : error.message}</p>
        <div className="row">
          <Button small weight="primary" onClick={() => location.reload()}>
            Load it again
          </Button>
          <Button small onClick={() => this.setState({ error: null })}>
            Try to go on
          </Button>
        </div>
      </div>
    );
  }
}
