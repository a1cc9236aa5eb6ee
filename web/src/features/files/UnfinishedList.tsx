import { useQuery } from "@tanstack/react-query";
import { FileUp, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useUploads } from "@/features/upload/store";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { Button, IconButton } from "@/ui/button";
import { abortUpload, type Unfinished, unfinished } from "./api";
import { useFileChange } from "./useChanges";

/** Uploads that this tab knows nothing of: begun before a reload, or elsewhere. The same file goes on where it stopped. */
export function UnfinishedList({ onChoose }: { onChoose: () => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const begun = useQuery(unfinished());
  const items = useUploads((state) => state.items);
  const giveUp = useFileChange((one: Unfinished) => abortUpload(one.upload.upload_id));
  const known = new Set(items.map((item) => item.place?.uploadId));
  const left = begun.data?.filter(({ upload }) => !known.has(upload.upload_id)) ?? [];
  if (left.length === 0) return null;
  return (
    <section
      aria-labelledby="unfinished"
      className="rounded-lg border border-line bg-surface p-4 sm:px-5"
      data-testid="unfinished"
    >
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0 flex-1 basis-64">
          <h2 id="unfinished" className="font-bold">
            {t("files.unfinished.title", { count: left.length })}
          </h2>
          <p className="max-w-prose text-soft text-sm">{t("files.unfinished.text")}</p>
        </div>
        <Button size="s" onClick={onChoose} data-testid="unfinished-choose">
          <FileUp />
          {t("files.unfinished.choose")}
        </Button>
      </div>
      <ul className="mt-2 divide-y divide-line">
        {left.map((one) => {
          const { upload, file } = one;
          const here = upload.parts.reduce((sum, part) => sum + part.size, 0);
          const percent = upload.size === 0 ? 0 : Math.floor((here * 100) / upload.size);
          return (
            <li
              key={upload.upload_id}
              className="flex items-center gap-3 py-2"
              data-testid="unfinished-file"
              data-name={upload.name}
              data-percent={percent}
            >
              <div className="min-w-0 flex-1">
                <p className="truncate font-semibold text-sm">{upload.name}</p>
                <p className="tabular truncate text-soft text-sm">
                  {t("files.unfinished.here", { percent, size: bytes(upload.size, lang) })}
                  <span aria-hidden="true"> · </span>
                  {file.path === "/"
                    ? t("files.in_root")
                    : t("files.in_folder", { path: file.path.slice(1, -1) })}
                </p>
              </div>
              <IconButton
                look="ghost"
                label={t("upload.cancel_named", { name: upload.name })}
                hint={t("upload.cancel")}
                disabled={giveUp.isPending}
                onClick={() => giveUp.mutate(one)}
                data-testid="unfinished-cancel"
              >
                <X />
              </IconButton>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
