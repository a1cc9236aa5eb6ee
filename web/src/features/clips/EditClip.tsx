import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import type { Clip } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { ConfirmDialog, Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { toast } from "@/ui/toast";
import { clipChanged, clipGone, TITLE_MAX } from "./queries";

type Props = { clip: Clip; isOpen: boolean; onClose: () => void };

export function RenameClipDialog({ clip, isOpen, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={t("clips.rename_title")}>
      {isOpen && <RenameForm clip={clip} onDone={onClose} />}
    </Dialog>
  );
}

function RenameForm({ clip, onDone }: { clip: Clip; onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [title, setTitle] = useState(clip.title);
  const save = useMutation({
    mutationFn: () =>
      unwrap(
        api.PATCH("/api/v1/clips/{id}", {
          params: { path: { id: clip.id } },
          body: { title: title.trim() },
        }),
      ),
    onSuccess: (saved) => {
      clipChanged(client, saved);
      toast({ kind: "good", title: t("saved") });
      onDone();
    },
  });
  const wrong = save.error ? ApiError.of(save.error).fields.find((one) => one.field === "title") : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label={t("clips.name")}
        value={title}
        onChange={(event) => setTitle(event.target.value)}
        maxLength={TITLE_MAX}
        required
        error={wrong?.message ?? (save.isError ? errorText(t, save.error) : null)}
        data-testid="clip-title-input"
      />
      <div className="flex justify-end gap-2">
        <Button look="ghost" onClick={onDone}>
          {t("actions.cancel")}
        </Button>
        <Button
          look="solid"
          type="submit"
          isBusy={save.isPending}
          disabled={!title.trim()}
          data-testid="clip-save"
        >
          {t("actions.save")}
        </Button>
      </div>
    </form>
  );
}

export function DeleteClipDialog({ clip, isOpen, onClose, onDeleted }: Props & { onDeleted?: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/clips/{id}", { params: { path: { id: clip.id } } })),
    onSuccess: () => {
      toast({ title: t("clips.deleted") });
      onClose();
      onDeleted?.();
      clipGone(client, clip);
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
  return (
    <ConfirmDialog
      isOpen={isOpen}
      onClose={onClose}
      onConfirm={() => remove.mutate()}
      isBusy={remove.isPending}
      title={t("clips.delete_title")}
      description={t("clips.delete_text", { title: clip.title })}
      confirmLabel={t("clips.delete_confirm")}
      testId="clip-delete-confirm"
    />
  );
}
