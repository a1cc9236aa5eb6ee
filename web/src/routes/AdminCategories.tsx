import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { categories } from "@/api/queries";
import type { Category } from "@/api/types";
import { AdminNav } from "@/features/admin/AdminNav";
import { parseTags } from "@/features/studio/tags";
import { errorText } from "@/i18n/errorText";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton, Tag } from "@/ui/bits";
import { Button } from "@/ui/button";
import { ConfirmDialog, Dialog } from "@/ui/dialog";
import { TextArea, TextField } from "@/ui/field";
import { toast } from "@/ui/toast";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

export function AdminCategories() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "admin" ? (
          <>
            <AdminNav user={user} />
            <List />
          </>
        ) : (
          <Forbidden />
        )
      }
    </RequireUser>
  );
}

function List() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const list = useQuery(categories());
  const [edited, setEdited] = useState<Category | "new" | null>(null);
  const [doomed, setDoomed] = useState<Category | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: categories().queryKey });
  const remove = useMutation({
    mutationFn: (slug: string) =>
      unwrap(api.DELETE("/api/v1/categories/{slug}", { params: { path: { slug } } })),
    onSuccess: async () => {
      setDoomed(null);
      await refresh();
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
  return (
    <div className="container-page max-w-[960px] pt-8">
      <PageHead title={t("admin.categories.title")}>
        <Button look="solid" onClick={() => setEdited("new")} data-testid="category-new">
          <Plus />
          {t("admin.categories.add")}
        </Button>
      </PageHead>
      {list.isPending && <Skeleton className="h-72" />}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data?.items.length === 0 && <Empty title={t("admin.categories.none")} />}
      <ul className="flex flex-col gap-2">
        {list.data?.items.map((category) => (
          <li
            key={category.slug}
            className="flex flex-wrap items-center gap-x-5 gap-y-2 rounded-md border border-line bg-surface px-5 py-4"
          >
            <div className="min-w-0 flex-1 basis-72">
              <p className="font-semibold">
                {category.name} <span className="ml-1 font-mono text-faint text-xs">{category.slug}</span>
              </p>
              <p className="text-sm text-soft">{category.description}</p>
            </div>
            <div className="flex flex-wrap gap-1.5">
              {category.tags.map((tag) => (
                <Tag key={tag}>{tag}</Tag>
              ))}
            </div>
            <div className="ml-auto flex gap-1">
              <Button
                look="ghost"
                size="icon"
                aria-label={t("admin.categories.edit", { name: category.name })}
                onClick={() => setEdited(category)}
              >
                <Pencil />
              </Button>
              <Button
                look="ghost"
                size="icon"
                aria-label={t("admin.categories.delete", { name: category.name })}
                onClick={() => setDoomed(category)}
              >
                <Trash2 />
              </Button>
            </div>
          </li>
        ))}
      </ul>
      <Dialog
        isOpen={edited !== null}
        onClose={() => setEdited(null)}
        title={
          edited === "new"
            ? t("admin.categories.add")
            : t("admin.categories.edit", { name: edited?.name ?? "" })
        }
      >
        {edited && (
          <Form
            key={edited === "new" ? "" : edited.slug}
            category={edited === "new" ? null : edited}
            onDone={async () => {
              setEdited(null);
              await refresh();
            }}
          />
        )}
      </Dialog>
      <ConfirmDialog
        isOpen={doomed !== null}
        onClose={() => setDoomed(null)}
        onConfirm={() => doomed && remove.mutate(doomed.slug)}
        isBusy={remove.isPending}
        title={t("admin.categories.delete", { name: doomed?.name ?? "" })}
        description={t("admin.categories.delete_text")}
        confirmLabel={t("actions.delete")}
      />
    </div>
  );
}

function Form({ category, onDone }: { category: Category | null; onDone: () => void }) {
  const { t } = useTranslation();
  const [slug, setSlug] = useState(category?.slug ?? "");
  const [name, setName] = useState(category?.name ?? "");
  const [description, setDescription] = useState(category?.description ?? "");
  const [tags, setTags] = useState(category?.tags.join(", ") ?? "");
  const [position, setPosition] = useState(String(category?.position ?? 100));
  const save = useMutation({
    mutationFn: () =>
      unwrap(
        api.PUT("/api/v1/categories/{slug}", {
          params: { path: { slug } },
          body: { name: name.trim(), description, tags: parseTags(tags), position: Number(position) || 0 },
        }),
      ),
    onSuccess: onDone,
  });
  const fields = save.error ? ApiError.of(save.error).fields : [];
  const told = (field: string) => fields.find((one) => one.field === field)?.message ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label={t("admin.categories.name")}
        value={name}
        onChange={(e) => setName(e.target.value)}
        maxLength={60}
        required
        error={told("name")}
      />
      <TextField
        label={t("admin.categories.slug")}
        hint={t("admin.categories.slug_hint")}
        value={slug}
        onChange={(e) => setSlug(e.target.value)}
        pattern="[a-z0-9]([a-z0-9\-]{0,38}[a-z0-9])?"
        readOnly={category !== null}
        required
        error={told("slug")}
        className="font-mono read-only:opacity-70"
      />
      <TextArea
        label={t("stream.description")}
        value={description}
        onChange={(e) => setDescription(e.target.value)}
        maxLength={500}
        error={told("description")}
      />
      <TextField
        label={t("stream.tags")}
        hint={t("stream.tags_hint")}
        value={tags}
        onChange={(e) => setTags(e.target.value)}
        error={told("tags")}
      />
      <TextField
        label={t("admin.categories.position")}
        type="number"
        value={position}
        onChange={(e) => setPosition(e.target.value)}
        error={told("position")}
      />
      {save.isError && fields.length === 0 && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, save.error)}
        </p>
      )}
      <div className="flex justify-end">
        <Button type="submit" look="solid" isBusy={save.isPending}>
          {t("actions.save")}
        </Button>
      </div>
    </form>
  );
}
