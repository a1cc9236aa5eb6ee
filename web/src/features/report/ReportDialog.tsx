// Reporting something to who keeps order: the channel's moderators or the site's staff.
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { once, retryAttempt } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { SelectField, TextArea } from "@/ui/field";
import { Segmented } from "@/ui/segmented";
import { toast } from "@/ui/toast";
import { NOTE_CHARS_MAX, REASONS, type Reason } from "./reasons";

/** What is reported. */
export type Reported = Pick<
  Schemas["NewReportBody"],
  "message_id" | "channel" | "username" | "vod_id" | "stream_id"
>;

/** One of the things that may be meant. */
export type Choice = { value: string; label: string; about: Reported };

export function ReportDialog({
  choices,
  title,
  excerpt,
  onClose,
}: {
  /** At least one. */
  choices: readonly Choice[];
  title: string;
  /** What was said. */
  excerpt?: string;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const [reason, setReason] = useState<Reason | "">("");
  const [note, setNote] = useState("");
  const [what, setWhat] = useState(choices[0]?.value ?? "");
  const about = choices.find(({ value }) => value === what)?.about;
  const send = useMutation({
    mutationFn: (why: Reason): Promise<unknown> => {
      const body = { ...about, reason: why, note: note.trim() };
      return once(["report", body], (header) =>
        unwrap(api.POST("/api/v1/reports", { params: { header }, body })),
      );
    },
    retry: retryAttempt,
    onSuccess: () => {
      toast({ kind: "good", title: t("report.sent") });
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reason && !send.isPending) send.mutate(reason);
  };
  return (
    <Dialog isOpen onClose={onClose} title={title} description={t("report.text")}>
      <form onSubmit={submit} className="flex flex-col gap-4" data-testid="report-dialog">
        {excerpt && (
          <blockquote className="line-clamp-4 border-line border-l-[3px] pl-3 text-sm text-soft [overflow-wrap:anywhere]">
            {excerpt}
          </blockquote>
        )}
        {choices.length > 1 && (
          <Segmented label={t("report.what")} value={what} onChange={setWhat} options={choices} />
        )}
        <SelectField
          label={t("report.reason")}
          value={reason}
          onChange={(event) => setReason(event.target.value as Reason)}
          required
          data-testid="report-reason"
        >
          <option value="" disabled>
            {t("report.choose")}
          </option>
          {REASONS.map((one) => (
            <option key={one} value={one}>
              {t(`report.reasons.${one}`)}
            </option>
          ))}
        </SelectField>
        <TextArea
          label={t("report.note")}
          hint={t("report.note_hint")}
          value={note}
          onChange={(event) => setNote(event.target.value)}
          maxLength={NOTE_CHARS_MAX}
          data-testid="report-note"
        />
        {send.isError && (
          <p role="alert" className="text-danger text-sm" data-testid="report-error">
            {errorText(t, send.error)}
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button
            type="submit"
            look="danger"
            isBusy={send.isPending}
            disabled={!reason}
            data-testid="report-send"
          >
            {t("report.send")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
