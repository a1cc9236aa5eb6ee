import { useEffect, useEffectEvent, useState } from "react";

/** Not asked for each letter. */
const TYPING_MS = 300;

/** What is typed into a field, which becomes the filter once its writer rests; what the address says shows in it. */
export function useTyped(value: string, onSet: (word: string | undefined) => void) {
  const [typed, setTyped] = useState(value);
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value);
    if (typed.trim() !== value) setTyped(value);
  }
  const wanted = typed.trim();
  const rest = useEffectEvent(() => onSet(wanted || undefined));
  useEffect(() => {
    if (wanted === value) return;
    const timer = setTimeout(rest, TYPING_MS);
    return () => clearTimeout(timer);
  }, [wanted, value]);
  return [typed, setTyped] as const;
}
