import { useQuery } from "@tanstack/react-query";
import { RotateCw, ZoomIn, ZoomOut } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { bytesOf } from "@/features/rooms/attach/Attached";
import { usePreview } from "@/features/rooms/attach/useAttaching";
import { ErrorState, Skeleton } from "@/ui/bits";
import { IconButton } from "@/ui/button";

const ZOOMS = [1, 1.5, 2, 3, 4] as const;

/** The picture that proves a payment, as large and as it has to be turned to be read. */
export function ProofViewer({ url }: { url: string }) {
  const { t } = useTranslation();
  const picture = useQuery(bytesOf(url));
  const src = usePreview(picture.data ?? null);
  const [zoom, setZoom] = useState(0);
  const [turns, setTurns] = useState(0);
  if (picture.isError) return <ErrorState error={picture.error} onRetry={() => void picture.refetch()} />;
  if (!src) return <Skeleton className="h-72" />;
  const scale = ZOOMS[zoom] ?? 1;
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <section
        // Larger than its frame it is moved with the keys.
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached
        tabIndex={0}
        aria-label={t("pay.desk.proof")}
        className="grid h-80 place-items-center overflow-auto rounded-md border border-line bg-sunken"
        data-testid="proof-viewer"
        data-zoom={scale}
        data-turns={turns % 4}
      >
        <img
          src={src}
          alt={t("pay.desk.proof")}
          className="max-h-none object-contain transition-transform motion-reduce:transition-none"
          style={{
            width: `${scale * 100}%`,
            height: scale === 1 ? "100%" : "auto",
            transform: `rotate(${turns * 90}deg)`,
          }}
          data-testid="proof-picture"
        />
      </section>
      <div className="flex gap-1.5">
        <IconButton
          look="soft"
          label={t("pay.desk.zoom_in")}
          disabled={zoom === ZOOMS.length - 1}
          onClick={() => setZoom((now) => Math.min(now + 1, ZOOMS.length - 1))}
          data-testid="proof-zoom-in"
        >
          <ZoomIn />
        </IconButton>
        <IconButton
          look="soft"
          label={t("pay.desk.zoom_out")}
          disabled={zoom === 0}
          onClick={() => setZoom((now) => Math.max(now - 1, 0))}
        >
          <ZoomOut />
        </IconButton>
        <IconButton
          look="soft"
          label={t("pay.desk.rotate")}
          onClick={() => setTurns((now) => now + 1)}
          data-testid="proof-rotate"
        >
          <RotateCw />
        </IconButton>
      </div>
    </div>
  );
}
