import { onlineManager, useQueryClient } from "@tanstack/react-query";
import { CloudOff, WifiOff } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { useLine } from "@/realtime/socket";

/** A blip is not worth a banner. */
const PATIENCE_MS = 4_000;

/** Says when this device is offline, the site does not answer, or the live line is down. */
export function ConnectionBanner() {
  const { t } = useTranslation();
  const isOnline = useSyncExternalStore(
    (changed) => onlineManager.subscribe(changed),
    () => onlineManager.isOnline(),
  );
  const isApiDown = useApiDown();
  const isLineDown = useLine((line) => line.state === "down" && line.everUp);
  const isLineLate = useLasting(isLineDown, PATIENCE_MS);
  const kind = !isOnline ? "offline" : isApiDown ? "api" : isLineLate ? "line" : null;
  return (
    <div role="status" data-testid="connection-banner">
      {kind && (
        <div className="fixed z-50 flex items-center gap-2.5 border-warn/50 bg-warn-wash font-semibold text-warn max-md:inset-x-0 max-md:top-[var(--header-h)] max-md:justify-center max-md:border-b max-md:px-3 max-md:py-1.5 max-md:text-xs md:top-[calc(var(--header-h)+10px)] md:left-1/2 md:w-max md:-translate-x-1/2 md:rounded-full md:border md:px-4 md:py-2 md:text-sm md:shadow-m [&_svg]:size-4 [&_svg]:shrink-0">
          {kind === "offline" ? <WifiOff /> : <CloudOff />}
          {t(`banner.${kind}`)}
        </div>
      )}
    </div>
  );
}

function useLasting(isOn: boolean, afterMs: number): boolean {
  const [isLasting, setLasting] = useState(false);
  useEffect(() => {
    if (!isOn) {
      setLasting(false);
      return;
    }
    const timer = setTimeout(() => setLasting(true), afterMs);
    return () => clearTimeout(timer);
  }, [isOn, afterMs]);
  return isLasting;
}

/** True from a request that got no answer until one that did. */
function useApiDown(): boolean {
  const client = useQueryClient();
  const [isDown, setDown] = useState(false);
  useEffect(
    () =>
      client.getQueryCache().subscribe((event) => {
        if (event.type !== "updated") return;
        if (event.action.type === "success") setDown(false);
        if (event.action.type === "error") {
          const { status } = ApiError.of(event.action.error);
          setDown(status === 0 || status === 502 || status === 503 || status === 504);
        }
      }),
    [client],
  );
  return isDown;
}
