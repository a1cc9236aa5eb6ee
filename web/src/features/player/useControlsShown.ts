import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

/** So long after the last movement the controls go. */
const IDLE_MS = 2_600;

/** Whether the controls are seen: while something moves, while they are used by keyboard, while paused or in a menu. */
export function useControlsShown(frame: RefObject<HTMLElement | null>, isKept: boolean) {
  const [isAwake, setAwake] = useState(true);
  const [hasFocus, setFocus] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const wake = useCallback(() => {
    setAwake(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setAwake(false), IDLE_MS);
  }, []);
  const sleep = useCallback(() => {
    clearTimeout(timer.current);
    setAwake(false);
  }, []);

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const onMove = (event: PointerEvent) => event.pointerType === "mouse" && wake();
    const onLeave = (event: PointerEvent) => event.pointerType === "mouse" && sleep();
    // A focus that shows is the keyboard's.
    const onFocus = () => {
      setFocus(element.querySelector(":focus-visible") !== null);
      wake();
    };
    const onBlur = () => setFocus(false);
    const onKey = () => wake();
    element.addEventListener("pointermove", onMove);
    element.addEventListener("pointerleave", onLeave);
    element.addEventListener("focusin", onFocus);
    element.addEventListener("focusout", onBlur);
    element.addEventListener("keydown", onKey);
    wake();
    return () => {
      clearTimeout(timer.current);
      element.removeEventListener("pointermove", onMove);
      element.removeEventListener("pointerleave", onLeave);
      element.removeEventListener("focusin", onFocus);
      element.removeEventListener("focusout", onBlur);
      element.removeEventListener("keydown", onKey);
    };
  }, [frame, wake, sleep]);
  return { isShown: isAwake || hasFocus || isKept, isAwake, wake, sleep };
}
