import { useQueries } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { vod as vodQuery } from "@/api/queries";
import { useSession } from "@/api/session";
import { gridClass, VodCard } from "@/features/cards/cards";
import { SectionHead } from "@/ui/bits";
import { Button } from "@/ui/button";
import { isUnplayable } from "./making";
import { resumeStore, unfinished } from "./resume";

const SHOWN_MAX = 4;

/** What this viewer began in this browser and did not finish. Nothing at all when there is none. */
export function ContinueWatching() {
  const { t } = useTranslation();
  const { status, user } = useSession();
  const userId = user?.id ?? null;
  const [dropped, setDropped] = useState<readonly string[]>([]);
  const all = status === "unknown" ? {} : resumeStore.all(userId);
  const ids = unfinished(all, SHOWN_MAX + dropped.length).filter((id) => !dropped.includes(id));
  const asked = useQueries({ queries: ids.map((id) => ({ ...vodQuery(id), staleTime: 60_000 })) });

  const gone = ids.filter((_, i) => asked[i]?.isError && ApiError.of(asked[i].error).status === 404).join();
  useEffect(() => {
    // A recording that was deleted is waited for no longer.
    for (const id of gone.split(",").filter(Boolean)) resumeStore.forget(userId, id);
  }, [gone, userId]);

  const shown = asked.flatMap(({ data }) => (data && !isUnplayable(data) ? [data] : [])).slice(0, SHOWN_MAX);
  if (shown.length === 0) return null;
  return (
    <section data-testid="continue">
      <SectionHead title={t("home.continue")} />
      <div className={gridClass}>
        {shown.map((vod) => (
          <VodCard
            key={vod.id}
            vod={vod}
            actions={
              <Button
                look="ghost"
                size="icon-s"
                aria-label={t("home.continue_forget", { title: vod.title })}
                onClick={() => {
                  resumeStore.forget(userId, vod.id);
                  setDropped((before) => [...before, vod.id]);
                }}
              >
                <X />
              </Button>
            }
          />
        ))}
      </div>
    </section>
  );
}
