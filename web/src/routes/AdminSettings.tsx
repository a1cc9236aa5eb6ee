import { useQuery } from "@tanstack/react-query";
import { Lock } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { AdminNav } from "@/features/admin/AdminNav";
import { bySection, found, type Setting, settings, written } from "@/features/admin/console";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton, Tag } from "@/ui/bits";
import { TextField } from "@/ui/field";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

export function AdminSettings() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "admin" ? (
          <>
            <AdminNav user={user} />
            <Page />
          </>
        ) : (
          <Forbidden />
        )
      }
    </RequireUser>
  );
}

/** Every setting, its value and who set it. They are changed where they are kept: in the file and the environment. */
function Page() {
  const { t } = useTranslation();
  const query = useQuery(settings());
  const [typed, setTyped] = useState("");
  const shown = query.data ? found(query.data.items, typed) : [];
  return (
    <div className="container-page flex max-w-[1100px] flex-col gap-6 pt-8 pb-8">
      <div className="-mb-6">
        <PageHead title={t("admin.settings.title")} />
      </div>
      <p className="max-w-prose text-soft">
        {t("admin.settings.lead")}
        {query.data && ` ${t("admin.settings.of_node", { node: query.data.node })}`}
      </p>
      <search>
        <TextField
          label={t("admin.settings.search")}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          type="search"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-testid="setting-search"
        />
      </search>
      {query.isPending && <Skeleton className="h-96" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && shown.length === 0 && <Empty title={t("admin.settings.none")} />}
      {bySection(shown).map(([section, items]) => (
        <section key={section} aria-label={section || t("admin.settings.general")}>
          <h2 className="mb-2 font-bold font-mono text-lg">{section || t("admin.settings.general")}</h2>
          <ul className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface">
            {items.map((item) => (
              <Row key={item.key} item={item} />
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function Row({ item }: { item: Setting }) {
  const { t } = useTranslation();
  const value = written(item.value);
  return (
    <li
      className="grid gap-x-6 gap-y-1 px-4 py-3 text-sm sm:grid-cols-2"
      data-testid="setting"
      data-key={item.key}
      data-source={item.source}
    >
      <div className="min-w-0">
        <p className="font-mono font-semibold [overflow-wrap:anywhere]">{item.key}</p>
        <p className="text-soft">{item.about}</p>
      </div>
      <div className="min-w-0">
        <p className="font-mono [overflow-wrap:anywhere]">
          {value === "" ? <span className="text-faint">{t("admin.settings.empty")}</span> : value}
        </p>
        <p className="mt-1 flex flex-wrap items-center gap-2">
          <Tag>{t(`admin.settings.source.${item.source}`)}</Tag>
          {item.is_locked && (
            <span className="inline-flex items-center gap-1 text-soft" data-testid="locked">
              <Lock className="size-3.5" aria-hidden="true" />
              {item.variable ? (
                <span className="font-mono text-xs [overflow-wrap:anywhere]">
                  <span className="sr-only">{t("admin.settings.locked_by")}</span>
                  {item.variable}
                </span>
              ) : (
                t("admin.settings.locked")
              )}
            </span>
          )}
        </p>
      </div>
    </li>
  );
}
