import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { described } from "@/features/account/devices";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { ago } from "@/lib/time";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { SelectField } from "@/ui/field";
import { type AdminMemberDetail, adminMember, endSignInsOf, ROLES, type Role, setRole } from "./console";
import type { AdminMember } from "./queries";
import { Reason } from "./Reason";

/** One member: room taken up, devices, role. */
export function MemberDetail({ user, onClose }: { user: AdminMember["user"]; onClose: () => void }) {
  const query = useQuery(adminMember(user.username));
  const client = useQueryClient();
  const { t } = useTranslation();
  const [asked, setAsked] = useState<"sign_ins" | Role | null>(null);
  const name = user.display_name;
  const refresh = () => client.invalidateQueries({ queryKey: ["admin"] });
  if (asked === "sign_ins")
    return (
      <Reason
        title={t("admin.members.end_sign_ins_of", { name })}
        text={t("admin.members.end_sign_ins_text")}
        hint={t("admin.members.reason_hint")}
        confirm={t("admin.members.end_sign_ins")}
        done={t("admin.members.did_end_sign_ins", { name })}
        act={(reason) => endSignInsOf(user.username, reason)}
        onSettled={refresh}
        onClose={() => setAsked(null)}
      />
    );
  if (asked !== null)
    return (
      <Reason
        title={t("admin.members.set_role_of", { name })}
        text={t("admin.members.set_role_text", { role: t(`admin.members.roles.${asked}`) })}
        hint={t("admin.members.reason_hint")}
        confirm={t("admin.members.set_role")}
        done={t("admin.members.did_set_role", { name })}
        act={(reason) => setRole(user.username, asked, reason)}
        onSettled={refresh}
        onClose={() => setAsked(null)}
      />
    );
  return (
    <Dialog isOpen onClose={onClose} title={name} description={t("channel.handle", user)}>
      {query.isPending && <Skeleton className="h-56" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && <Detail seen={query.data} onAsk={setAsked} />}
    </Dialog>
  );
}

function Detail({ seen, onAsk }: { seen: AdminMemberDetail; onAsk: (what: "sign_ins" | Role) => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { storage } = seen;
  const room = (used: number, quota?: number | null) =>
    quota == null
      ? bytes(used, lang)
      : t("admin.members.of_quota", { used: bytes(used, lang), quota: bytes(quota, lang) });
  return (
    <div className="flex flex-col gap-5" data-testid="member-detail">
      <dl className="flex flex-col gap-1 text-sm">
        <Line label={t("admin.members.email")}>{seen.email}</Line>
        <Line label={t("admin.overview.of.recording_bytes")}>
          {room(storage.recording_bytes, storage.recording_quota_bytes)}
        </Line>
        <Line label={t("admin.overview.of.file_bytes")}>
          {room(storage.file_bytes, storage.file_quota_bytes)}
        </Line>
        <Line label={t("admin.overview.of.attachment_bytes")}>{room(storage.attachment_bytes)}</Line>
      </dl>
      {seen.may_set_role && (
        <SelectField
          label={t("admin.members.role_label")}
          value={seen.role}
          onChange={(event) => {
            const role = ROLES.find((one) => one === event.target.value);
            if (role && role !== seen.role) onAsk(role);
          }}
          data-testid="member-role"
        >
          {ROLES.map((role) => (
            <option key={role} value={role}>
              {t(`admin.members.roles.${role}`)}
            </option>
          ))}
        </SelectField>
      )}
      <section>
        <h3 className="mb-1 font-semibold text-sm">{t("admin.members.sign_ins")}</h3>
        {seen.sign_ins.length === 0 && <p className="text-soft text-sm">{t("admin.members.no_sign_ins")}</p>}
        <ul className="divide-y divide-line text-sm">
          {seen.sign_ins.map((one) => (
            <li key={one.id} className="flex flex-wrap justify-between gap-x-4 py-1.5" data-testid="sign-in">
              <span className="[overflow-wrap:anywhere]">{described(t, one)}</span>
              <span className="tabular text-soft">
                {t("devices.active", { when: ago(one.last_used_at, lang) })}
                {one.address && ` · ${one.address}`}
              </span>
            </li>
          ))}
        </ul>
        {seen.may_end_sign_ins && seen.sign_ins.length > 0 && (
          <Button
            size="s"
            look="danger"
            className="mt-2"
            onClick={() => onAsk("sign_ins")}
            data-testid="end-sign-ins"
          >
            {t("admin.members.end_sign_ins")}
          </Button>
        )}
      </section>
    </div>
  );
}

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex justify-between gap-4">
      <dt className="text-soft">{label}</dt>
      <dd className="tabular text-right font-semibold [overflow-wrap:anywhere]">{children}</dd>
    </div>
  );
}
