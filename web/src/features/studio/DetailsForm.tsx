import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { categories, channel as channelQuery, streamSettings } from "@/api/queries";
import { useSession } from "@/api/session";
import type { StreamSettings } from "@/api/types";
import { VisibilityField } from "@/features/visibility/VisibilityField";
import { categoryName } from "@/i18n/categoryName";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { SelectField, TextArea, TextField } from "@/ui/field";
import { toast } from "@/ui/toast";
import { Panel } from "./Panel";
import { parseTags } from "./tags";

const TITLE_MAX = 140;
const TAGS_MAX = 10;

/** Title, description, category and tags of the next or the running stream. */
export function DetailsForm() {
  const { t } = useTranslation();
  const query = useQuery(streamSettings());
  return (
    <Panel title={t("studio.details")}>
      {query.isPending && <Skeleton className="h-72" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && <Form settings={query.data} />}
    </Panel>
  );
}

/** The only way to an unlisted stream. */
function ShareLink({ username, id }: { username: string; id: string }) {
  const { t } = useTranslation();
  return (
    <TextField
      label={t("visibility.link")}
      hint={t("visibility.link_hint")}
      value={`${window.location.origin}/c/${username}?stream=${id}`}
      readOnly
      onFocus={(event) => event.target.select()}
      data-testid="share-link"
    />
  );
}

function Form({ settings }: { settings: StreamSettings }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const me = useSession((session) => session.user);
  const known = useQuery(categories());
  const [title, setTitle] = useState(settings.title);
  const [description, setDescription] = useState(settings.description);
  const [category, setCategory] = useState(settings.category_slug ?? "");
  const [tags, setTags] = useState(settings.tags.join(", "));
  const [visibility, setVisibility] = useState(settings.visibility);
  const save = useMutation({
    mutationFn: () =>
      unwrap(
        api.PATCH("/api/v1/me/stream", {
          body: {
            title: title.trim(),
            description,
            category_slug: category || null,
            tags: parseTags(tags),
            visibility,
          },
        }),
      ),
    onSuccess: (saved) => {
      client.setQueryData(streamSettings().queryKey, saved);
      if (me) void client.invalidateQueries(channelQuery(me.username));
      toast({ kind: "good", title: t("saved") });
    },
  });
  const fields = save.error ? ApiError.of(save.error).fields : [];
  const told = (field: string) => fields.find((one) => one.field === field)?.message ?? null;
  const tagCount = parseTags(tags).length;
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
        placeholder={t("stream.title_placeholder")}
        aside={t("chat.count", { count: Array.from(title).length, max: TITLE_MAX })}
        error={told("title")}
        data-testid="stream-title"
      />
      <TextArea
        label={t("stream.description")}
        value={description}
        onChange={(event) => setDescription(event.target.value)}
        maxLength={5000}
        error={told("description")}
        data-testid="stream-description"
      />
      <SelectField
        label={t("stream.category")}
        value={category}
        onChange={(event) => setCategory(event.target.value)}
        error={told("category_slug")}
        data-testid="stream-category"
      >
        <option value="">{t("stream.no_category")}</option>
        {known.data?.items.map((one) => (
          <option key={one.slug} value={one.slug}>
            {categoryName(t, one)}
          </option>
        ))}
      </SelectField>
      <TextField
        label={t("stream.tags")}
        hint={t("stream.tags_hint")}
        value={tags}
        onChange={(event) => setTags(event.target.value)}
        aside={t("chat.count", { count: tagCount, max: TAGS_MAX })}
        error={told("tags") ?? (tagCount > TAGS_MAX ? t("stream.tags_limit", { max: TAGS_MAX }) : null)}
        data-testid="stream-tags"
      />
      <VisibilityField value={visibility} onChange={setVisibility} error={told("visibility")} />
      {settings.current?.visibility === "unlisted" && me && (
        <ShareLink username={me.username} id={settings.current.id} />
      )}
      {save.isError && fields.length === 0 && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, save.error)}
        </p>
      )}
      <div>
        <Button
          type="submit"
          look="solid"
          isBusy={save.isPending}
          disabled={!title.trim() || tagCount > TAGS_MAX}
          data-testid="stream-save"
        >
          {t("actions.save")}
        </Button>
      </div>
    </form>
  );
}
