import { Upload } from "lucide-react";
import { useEffect, useEffectEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { dropped } from "./dropped";
import type { Chosen } from "./store";

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;

/** Takes files that are dropped anywhere on the page, and says so while they are over it. */
export function DropZone({
  path,
  name,
  onTake,
}: {
  path: string;
  name: string;
  onTake: (chosen: Chosen[]) => void;
}) {
  const { t } = useTranslation();
  const [isOver, setOver] = useState(false);
  const take = useEffectEvent(
    (items: DataTransferItemList) => void dropped(items, path).then(onTake, () => onTake([])),
  );
  useEffect(() => {
    // Each element says that it is entered and left: what counts is how many.
    let depth = 0;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += 1;
      setOver(true);
    };
    const over = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    };
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      if (event.dataTransfer) take(event.dataTransfer.items);
    };
    window.addEventListener("dragenter", enter);
    window.addEventListener("dragover", over);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragenter", enter);
      window.removeEventListener("dragover", over);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
    };
  }, []);
  if (!isOver) return null;
  return (
    <div
      className="pointer-events-none fixed inset-3 z-[55] grid place-content-center justify-items-center gap-3 rounded-lg border-2 border-melt border-dashed bg-overlay/90 p-6 text-center"
      data-testid="drop-zone"
    >
      <Upload aria-hidden="true" className="size-10 text-melt" />
      <p className="font-bold font-display text-xl">{t("upload.drop", { folder: name })}</p>
    </div>
  );
}
