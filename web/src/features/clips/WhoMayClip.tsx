import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import type { Clippers } from "@/api/types";
import { Panel } from "@/features/studio/Panel";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Segmented } from "@/ui/segmented";
import { toast } from "@/ui/toast";
import { clipSettings } from "./queries";

const WHO: readonly Clippers[] = ["everybody", "followers", "moderators", "nobody"];

/** The channel's owner says who may make clips. */
export function WhoMayClip() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const known = useQuery(clipSettings());
  const save = useMutation({
    mutationFn: (clips_for: Clippers) => unwrap(api.PATCH("/api/v1/me/clips", { body: { clips_for } })),
    onSuccess: (saved) => {
      client.setQueryData(clipSettings().queryKey, saved);
      void client.invalidateQueries({ queryKey: ["clips", "of"] });
      toast({ kind: "good", title: t("saved") });
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
  const chosen = save.isPending ? save.variables : known.data?.clips_for;
  return (
    <Panel title={t("clips.title")}>
      {known.isPending && <Skeleton className="h-16" />}
      {known.isError && !known.data && (
        <ErrorState error={known.error} onRetry={() => void known.refetch()} />
      )}
      {chosen && (
        <div data-testid="who-may-clip" data-value={chosen} className="flex flex-col gap-2.5">
          <Segmented
            label={t("clips.who")}
            value={chosen}
            onChange={(who) => save.mutate(who)}
            options={WHO.map((value) => ({ value, label: t(`clips.for.${value}`) }))}
          />
          <p className="max-w-prose text-faint text-sm">{t(`clips.for_text.${chosen}`)}</p>
        </div>
      )}
    </Panel>
  );
}
