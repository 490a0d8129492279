import { Component, type ComponentChildren, type FunctionComponent, h } from "preact";

/** A component that renders again only where one of its properties is another one. */
export function memo<P extends object>(render: FunctionComponent<P>): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const before = this.props as Record<string, unknown>;
      const after = next as Record<string, unknown>;
      return Object.keys(after).some((key) => !Object.is(before[key], after[key]));
    }
    override render(): ComponentChildren {
      return h(render as FunctionComponent<object>, this.props);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
