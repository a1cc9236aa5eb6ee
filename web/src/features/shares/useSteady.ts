import { useState } from "react";

/**
 * An address that stays what it was as long as it is good for something. Addresses of what is shared are renewed all the time; whatever is
 * shown already need not begin again for that. Once the old one fails, the newest is taken.
 */
export function useSteady(latest: string | null | undefined): [string | null, () => boolean] {
  const [kept, setKept] = useState(latest ?? null);
  const advance = () => {
    const isFresh = Boolean(latest) && latest !== kept;
    if (isFresh) setKept(latest ?? null);
    return isFresh;
  };
  return [kept ?? latest ?? null, advance];
}
