import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { IdCard, Search, ShieldOff, Smile } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { AdminNav } from "@/features/admin/AdminNav";
import { MemberDetail } from "@/features/admin/MemberDetail";
import { type AdminMember, type MemberFilter, members, setSuspended } from "@/features/admin/queries";
import { ResetTwoFactor } from "@/features/admin/ResetTwoFactor";
import { StaffEmotes } from "@/features/emotes/StaffEmotes";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { ago, day } from "@/lib/time";
import { useTyped } from "@/lib/useTyped";
import { PageHead } from "@/shell/PageHead";
import { Avatar } from "@/ui/avatar";
import { Empty, ErrorState, Skeleton, Tag } from "@/ui/bits";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { More } from "@/ui/more";
import { toast } from "@/ui/toast";
import { Forbidden } from "./problems";
import { RequireUser } from "./RequireUser";

const route = getRouteApi("/shell/admin/members");
const REASON_CHARS_MAX = 500;

export function AdminMembers() {
  return (
    <RequireUser>
      {(user) =>
        user.role === "user" ? (
          <Forbidden />
        ) : (
          <>
            <AdminNav user={user} />
            <Members isAdmin={user.role === "admin"} />
          </>
        )
      }
    </RequireUser>
  );
}

/** Members: found, suspended and let in again. */
function Members({ isAdmin }: { isAdmin: boolean }) {
  const { t } = useTranslation();
  const filter: MemberFilter = route.useSearch();
  const navigate = route.useNavigate();
  const [typed, setTyped] = useTyped(
    filter.q ?? "",
    (q) => void navigate({ search: (old) => ({ ...old, q }), replace: true }),
  );
  const [asked, setAsked] = useState<AdminMember | null>(null);
  const [shown, setShown] = useState<AdminMember["user"] | null>(null);
  const [seen, setSeen] = useState<AdminMember["user"] | null>(null);
  const [reset, setReset] = useState<AdminMember["user"] | null>(null);
  const query = useInfiniteQuery(members(filter));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="container-page flex max-w-[860px] flex-col gap-5 pt-8">
      <div className="-mb-5">
        <PageHead title={t("admin.members.title")} />
      </div>
      <search className="flex flex-col gap-3">
        <TextField
          label={t("admin.members.search")}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          type="search"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-testid="member-search"
        />
        <label className="flex min-h-8 items-center gap-2.5 self-start text-sm">
          <input
            type="checkbox"
            checked={filter.suspended ?? false}
            onChange={(event) =>
              void navigate({
                search: (old) => ({ ...old, suspended: event.target.checked || undefined }),
                replace: true,
              })
            }
            className="size-4 accent-[var(--melt)]"
            data-testid="only-suspended"
          />
          {t("admin.members.only_suspended")}
        </label>
      </search>
      {query.isPending && <Skeleton className="h-72" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data && items.length === 0 && (
        <Empty title={filter.q ? t("admin.members.none") : t("admin.members.none_suspended")}>
          <Search className="mx-auto size-6 text-faint" aria-hidden="true" />
        </Empty>
      )}
      <ul className="flex flex-col gap-2" aria-label={t("admin.members.title")}>
        {items.map((member) => (
          <Row
            key={member.user.id}
            member={member}
            onAsk={() => setAsked(member)}
            onEmotes={() => setShown(member.user)}
            onReset={() => setReset(member.user)}
            onSee={isAdmin ? () => setSeen(member.user) : undefined}
          />
        ))}
      </ul>
      <More list={query} className="self-center" />
      {shown && (
        <StaffEmotes
          key={shown.id}
          username={shown.username}
          name={shown.display_name}
          onClose={() => setShown(null)}
        />
      )}
      {seen && <MemberDetail key={seen.id} user={seen} onClose={() => setSeen(null)} />}
      {reset && <ResetTwoFactor key={reset.id} user={reset} onClose={() => setReset(null)} />}
      {asked && <Ask key={asked.user.id} member={asked} onClose={() => setAsked(null)} />}
    </div>
  );
}

function Row({
  member,
  onAsk,
  onEmotes,
  onReset,
  onSee,
}: {
  member: AdminMember;
  onAsk: () => void;
  onEmotes: () => void;
  onReset: () => void;
  /** Nothing where the caller may not. */
  onSee?: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const { user, suspension } = member;
  return (
    <li
      className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-md border border-line bg-surface px-5 py-3"
      data-testid="member"
      data-username={user.username}
      data-suspended={member.is_suspended}
    >
      <Avatar name={user.display_name} username={user.username} url={user.avatar_url} size={40} />
      <div className="min-w-0 flex-1 basis-60 text-sm [overflow-wrap:anywhere]">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <span className="font-semibold">{user.display_name}</span>
          <Link
            to="/c/$username"
            params={{ username: user.username }}
            className="text-melt underline-offset-4 hover:underline"
          >
            {t("channel.handle", { username: user.username })}
          </Link>
          {member.role !== "user" && <Tag>{t(`admin.members.role.${member.role}`)}</Tag>}
        </p>
        <p className="text-faint text-xs">
          {t("mod.card.member_since", { day: day(member.created_at, lang) })}
        </p>
        {member.is_closed && <p className="text-soft">{t("admin.members.closed")}</p>}
        {member.is_suspended && (
          <p className="text-danger">
            {suspension
              ? t("admin.members.suspended_by", {
                  name: suspension.by ?? t("admin.members.operator"),
                  ago: ago(suspension.at, lang),
                })
              : t("admin.members.suspended")}
            {suspension?.reason && ` · ${suspension.reason}`}
          </p>
        )}
      </div>
      {onSee && (
        <IconButton
          look="ghost"
          onClick={onSee}
          label={t("admin.members.detail_named", { name: user.display_name })}
          hint={t("admin.members.detail")}
          data-testid="member-detail-open"
        >
          <IdCard />
        </IconButton>
      )}
      {member.may_suspend && !member.is_suspended && (
        <IconButton
          look="ghost"
          onClick={onEmotes}
          label={t("emotes.of", { name: user.display_name })}
          data-testid="member-emotes"
        >
          <Smile />
        </IconButton>
      )}
      {member.may_reset_two_factor && (
        <IconButton
          look="ghost"
          onClick={onReset}
          label={t("admin.members.reset_named", { name: user.display_name })}
          data-testid="reset-two-factor"
        >
          <ShieldOff />
        </IconButton>
      )}
      {member.may_suspend && (
        <Button
          size="s"
          onClick={onAsk}
          aria-label={
            member.is_suspended
              ? t("admin.members.readmit_named", { name: user.display_name })
              : t("admin.members.suspend_named", { name: user.display_name })
          }
          data-testid={member.is_suspended ? "readmit" : "suspend"}
        >
          {member.is_suspended ? t("admin.members.readmit") : t("admin.members.suspend")}
        </Button>
      )}
    </li>
  );
}

function Ask({ member, onClose }: { member: AdminMember; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const { username, display_name: name } = member.user;
  const isSuspending = !member.is_suspended;
  const save = useMutation({
    mutationFn: (why: string) => setSuspended(username, isSuspending, why),
    onSuccess: () => {
      toast({
        kind: "good",
        title: isSuspending
          ? t("admin.members.did_suspend", { name })
          : t("admin.members.did_readmit", { name }),
      });
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["admin", "members"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const why = reason.trim();
    if (why && !save.isPending) save.mutate(why);
  };
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={
        isSuspending ? t("admin.members.suspend_named", { name }) : t("admin.members.readmit_named", { name })
      }
      description={isSuspending ? t("admin.members.suspend_text") : t("admin.members.readmit_text")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("mod.reason")}
          hint={t("admin.members.reason_hint")}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          maxLength={REASON_CHARS_MAX}
          required
          autoComplete="off"
          error={save.isError ? errorText(t, save.error) : null}
          data-testid="suspend-reason"
        />
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button
            type="submit"
            look={isSuspending ? "danger" : "solid"}
            disabled={!reason.trim()}
            isBusy={save.isPending}
            data-testid="suspend-confirm"
          >
            {isSuspending ? t("admin.members.suspend") : t("admin.members.readmit")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
