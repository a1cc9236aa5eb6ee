import { useId } from "react";
import { useTranslation } from "react-i18next";
import type { Clip } from "@/api/types";
import { CopyButton } from "@/ui/copy";
import { Dialog } from "@/ui/dialog";
import { inputClass } from "@/ui/field";
import { embedOf, pageOf } from "./share";

/** A clip's link and its code for other pages, to copy. */
export function ShareFields({ clip }: { clip: Clip }) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-col gap-4">
      <Copied label={t("clips.share.link")} text={pageOf(clip.id)} testId="clip-link" />
      <Copied label={t("clips.share.embed")} text={embedOf(clip.id, clip.title)} testId="clip-embed" />
    </div>
  );
}

function Copied({ label, text, testId }: { label: string; text: string; testId: string }) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-semibold text-sm">
        {label}
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          readOnly
          value={text}
          data-testid={testId}
          onFocus={(event) => event.currentTarget.select()}
          className={`${inputClass} min-w-0 flex-1 font-mono text-[13px]`}
        />
        <CopyButton text={text} label={t("clips.share.copy", { what: label })} isIconOnly />
      </div>
    </div>
  );
}

export function ShareDialog({ clip, isOpen, onClose }: { clip: Clip; isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={t("clips.share.title")}>
      <ShareFields clip={clip} />
    </Dialog>
  );
}
