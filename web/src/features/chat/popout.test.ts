import { act, createElement } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { bringBack, popOut, popOutPath, useIsPoppedOut } from "./popout";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

function fakeWindow() {
  const opened = { closed: false, focus: vi.fn(), close: () => (opened.closed = true) };
  return opened;
}
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  bringBack("alice");
  vi.useRealTimers();
});

/** What a page that looks at the channel is told. */
function page(username: string) {
  const told: boolean[] = [];
  const root = createRoot(document.createElement("div"));
  const Page = () => {
    told.push(useIsPoppedOut(username));
    return null;
  };
  act(() => root.render(createElement(Page)));
  return { now: () => told.at(-1), end: () => act(() => root.unmount()) };
}

it("names the chat's window by its channel, and an unlisted stream by its id", () => {
  expect(popOutPath("Alice")).toBe("/popout/alice/chat");
  expect(popOutPath("alice", "01a&b")).toBe("/popout/alice/chat?stream=01a%26b");
});

it("opens one window, brings it to the front, and knows when it is closed", () => {
  const opened = fakeWindow();
  const open = vi.spyOn(window, "open").mockReturnValue(opened as unknown as Window);
  const alice = page("Alice");
  const bob = page("bob");
  expect(alice.now()).toBe(false);
  act(() => void popOut("Alice"));
  expect(open).toHaveBeenCalledWith(
    "/popout/alice/chat",
    "rillcast-chat-alice",
    expect.stringMatching(/width=\d+,height=\d+/),
  );
  expect([alice.now(), bob.now()]).toEqual([true, false]);

  act(() => void popOut("alice"));
  expect(open).toHaveBeenCalledTimes(1);
  expect(opened.focus).toHaveBeenCalled();

  opened.closed = true;
  act(() => void vi.advanceTimersByTime(1_000));
  expect(alice.now()).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
  alice.end();
  bob.end();
});

it("comes back when the page wants it, and says when windows are forbidden", () => {
  const opened = fakeWindow();
  const open = vi.spyOn(window, "open").mockReturnValue(opened as unknown as Window);
  const alice = page("alice");
  act(() => void popOut("alice"));
  act(() => bringBack("alice"));
  expect(opened.closed).toBe(true);
  expect(alice.now()).toBe(false);
  open.mockReturnValue(null);
  expect(popOut("alice")).toBe(false);
  expect(alice.now()).toBe(false);
  alice.end();
});
