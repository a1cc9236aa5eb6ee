import {
  type InfiniteData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { categories, vod as vodQuery } from "@/api/queries";
import type { Vod } from "@/api/types";
import { vodClips } from "@/features/clips/queries";
import { VisibilityField } from "@/features/visibility/VisibilityField";
import { categoryName } from "@/i18n/categoryName";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { ConfirmDialog, Dialog } from "@/ui/dialog";
import { SelectField, TextArea, TextField } from "@/ui/field";
import { toast } from "@/ui/toast";

const TITLE_MAX = 140;

type Lists = InfiniteData<{ items: Vod[]; next_cursor?: string | null }, string | null>;

export function EditVodDialog({ vod, isOpen, onClose }: { vod: Vod; isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={t("vod.edit_title")}>
      {isOpen && <EditForm vod={vod} onDone={onClose} />}
    </Dialog>
  );
}

function EditForm({ vod, onDone }: { vod: Vod; onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const known = useQuery(categories());
  const [title, setTitle] = useState(vod.title);
  const [description, setDescription] = useState(vod.description ?? "");
  const [category, setCategory] = useState(vod.category?.slug ?? "");
  const [visibility, setVisibility] = useState(vod.visibility);
  const save = useMutation({
    mutationFn: () =>
      unwrap(
        api.PATCH("/api/v1/vods/{id}", {
          params: { path: { id: vod.id } },
          body: { title: title.trim(), description, category_slug: category || null, visibility },
        }),
      ),
    onSuccess: (saved) => {
      client.setQueryData(vodQuery(vod.id).queryKey, saved);
      client.setQueriesData<Lists>(
        { queryKey: ["vods", "list"] },
        (old) =>
          old && {
            ...old,
            pages: old.pages.map((page) => ({
              ...page,
              items: page.items.map((item) => (item.id === saved.id ? saved : item)),
            })),
          },
      );
      toast({ kind: "good", title: t("saved") });
      onDone();
    },
  });
  const fields = save.error ? ApiError.of(save.error).fields : [];
  const fieldError = (name: string) => fields.find((one) => one.field === name)?.message ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label={t("stream.title")}
        value={title}
        onChange={(event) => setTitle(event.target.value)}
        maxLength={TITLE_MAX}
        required
        error={fieldError("title")}
        data-testid="vod-title-input"
      />
      <TextArea
        label={t("stream.description")}
        value={description}
        onChange={(event) => setDescription(event.target.value)}
        maxLength={5000}
        error={fieldError("description")}
      />
      <SelectField
        label={t("stream.category")}
        value={category}
        onChange={(event) => setCategory(event.target.value)}
        error={fieldError("category_slug")}
      >
        <option value="">{t("stream.no_category")}</option>
        {known.data?.items.map((one) => (
          <option key={one.slug} value={one.slug}>
            {categoryName(t, one)}
          </option>
        ))}
      </SelectField>
      <VisibilityField value={visibility} onChange={setVisibility} error={fieldError("visibility")} />
      {save.isError && fields.length === 0 && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, save.error)}
        </p>
      )}
      <div className="flex justify-end gap-2">
        <Button look="ghost" onClick={onDone}>
          {t("actions.cancel")}
        </Button>
        <Button
          look="solid"
          type="submit"
          isBusy={save.isPending}
          disabled={!title.trim()}
          data-testid="vod-save"
        >
          {t("actions.save")}
        </Button>
      </div>
    </form>
  );
}

export function DeleteVodDialog({
  vod,
  isOpen,
  onClose,
  onDeleted,
}: {
  vod: Vod;
  isOpen: boolean;
  onClose: () => void;
  onDeleted?: () => void;
}) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const clips = useInfiniteQuery({ ...vodClips(vod.id), enabled: isOpen }).data?.pages[0]?.total ?? 0;
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/vods/{id}", { params: { path: { id: vod.id } } })),
    onSuccess: () => {
      client.setQueriesData<Lists>(
        { queryKey: ["vods", "list"] },
        (old) =>
          old && {
            ...old,
            pages: old.pages.map((page) => ({
              ...page,
              items: page.items.filter((item) => item.id !== vod.id),
            })),
          },
      );
      toast({ title: t("vod.deleted") });
      onClose();
      onDeleted?.();
      client.removeQueries(vodQuery(vod.id));
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
  return (
    <ConfirmDialog
      isOpen={isOpen}
      onClose={onClose}
      onConfirm={() => remove.mutate()}
      isBusy={remove.isPending}
      title={t("vod.delete_title")}
      description={
        clips > 0
          ? `${t("vod.delete_text", { title: vod.title })} ${t("clips.go_too", { count: clips })}`
          : t("vod.delete_text", { title: vod.title })
      }
      confirmLabel={t("vod.delete_confirm")}
      testId="vod-delete-confirm"
    />
  );
}
