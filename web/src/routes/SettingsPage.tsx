import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ImageUp, LogOut } from "lucide-react";
import { type FormEvent, type ReactNode, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { channel as channelQuery } from "@/api/queries";
import { session } from "@/api/session";
import type { User } from "@/api/types";
import { ApiTokens } from "@/features/account/ApiTokens";
import { ChangePassword } from "@/features/account/ChangePassword";
import { CloseAccount } from "@/features/account/CloseAccount";
import { Devices } from "@/features/account/Devices";
import { TwoFactor } from "@/features/account/TwoFactor";
import { privacy, useSetPrivacy } from "@/features/friends/friends";
import { MailSettings } from "@/features/notifications/MailSettings";
import { NotificationChoices } from "@/features/notifications/NotificationChoices";
import { PushDevices } from "@/features/notifications/PushDevices";
import { TimeSettings } from "@/features/notifications/TimeSettings";
import { MyPlan } from "@/features/payments/MyPlan";
import { ShortcutSwitch } from "@/features/player/ShortcutsDialog";
import { LANGUAGES, setLanguage } from "@/i18n";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { setLatencyMode, setTheme, usePrefs } from "@/lib/prefs";
import { PageHead } from "@/shell/PageHead";
import { useSignOut } from "@/shell/useSignOut";
import { Avatar } from "@/ui/avatar";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { TextArea, TextField } from "@/ui/field";
import { Segmented } from "@/ui/segmented";
import { toast } from "@/ui/toast";
import { RequireUser } from "./RequireUser";

/** The server re-encodes; this only spares a hopeless upload. */
const AVATAR_BYTES_MAX = 5 * 1024 * 1024;

export function SettingsPage() {
  return <RequireUser>{(user) => <Settings user={user} />}</RequireUser>;
}

function Settings({ user }: { user: User }) {
  const { t } = useTranslation();
  const signOut = useSignOut();
  return (
    <div className="container-page max-w-[860px] pt-8">
      <PageHead title={t("nav.settings")} />
      <div className="flex flex-col gap-6">
        <Section title={t("settings.profile")}>
          <AvatarForm user={user} />
          <ProfileForm user={user} />
        </Section>
        <Section title={t("settings.appearance")}>
          <Appearance />
        </Section>
        <Section id="notifications" title={t("notice.title")}>
          <NotificationChoices />
          <PushDevices />
          <MailSettings />
          <TimeSettings />
        </Section>
        <Section title={t("settings.privacy")}>
          <PrivacyForm />
        </Section>
        <Section id="password" title={t("password.title")}>
          <ChangePassword username={user.username} />
        </Section>
        <Section id="security" title={t("two_factor.section")}>
          <TwoFactor username={user.username} />
        </Section>
        <Section id="devices" title={t("devices.title")}>
          <Devices />
        </Section>
        <Section id="plan" title={t("settings.plan")}>
          <MyPlan />
          <p>
            <Link to="/plans" className="text-melt underline-offset-4 hover:underline">
              {t("settings.plan_link")}
            </Link>
          </p>
        </Section>
        <Section id="api-tokens" title={t("api_tokens.title")}>
          <ApiTokens username={user.username} />
        </Section>
        <Section title={t("settings.account")}>
          <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1 text-[15px]">
            <dt className="text-faint">{t("auth.username")}</dt>
            <dd>{user.username}</dd>
            <dt className="text-faint">{t("auth.email")}</dt>
            <dd className="truncate">{user.email}</dd>
          </dl>
          <div>
            <Button onClick={signOut}>
              <LogOut />
              {t("menu.sign_out")}
            </Button>
          </div>
          <CloseAccount />
        </Section>
      </div>
    </div>
  );
}

function Section({ id, title, children }: { id?: string; title: string; children: ReactNode }) {
  return (
    <section
      id={id}
      className="grid gap-x-8 gap-y-5 rounded-lg border border-line bg-surface p-5 sm:p-7 md:grid-cols-[180px_1fr]"
    >
      <h2 className="font-bold text-lg">{title}</h2>
      <div className="flex min-w-0 flex-col gap-6">{children}</div>
    </section>
  );
}

function useUserSaved() {
  const { t } = useTranslation();
  const client = useQueryClient();
  return (user: User) => {
    session.setUser(user);
    void client.invalidateQueries(channelQuery(user.username));
    toast({ kind: "good", title: t("saved") });
  };
}

function AvatarForm({ user }: { user: User }) {
  const { t } = useTranslation();
  const saved = useUserSaved();
  const input = useRef<HTMLInputElement>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const upload = useMutation({
    mutationFn: (file: File) => {
      const form = new FormData();
      form.set("file", file);
      return unwrap(
        api.POST("/api/v1/me/avatar", {
          body: { file: "" },
          bodySerializer: () => form,
        }),
      );
    },
    onSuccess: saved,
    onError: (error) => setRefusal(errorText(t, error)),
  });
  const choose = (file: File | undefined) => {
    setRefusal(null);
    if (!file) return;
    if (file.size > AVATAR_BYTES_MAX) setRefusal(t("settings.avatar_too_big", { mb: 5 }));
    else upload.mutate(file);
  };
  return (
    <div className="flex items-center gap-5">
      <Avatar name={user.display_name} username={user.username} url={user.avatar_url} size={84} />
      <div className="flex flex-col gap-1.5">
        <input
          ref={input}
          type="file"
          accept="image/png,image/jpeg,image/webp,image/gif"
          className="sr-only"
          tabIndex={-1}
          aria-label={t("settings.avatar_change")}
          data-testid="avatar-input"
          onChange={(event) => {
            choose(event.target.files?.[0]);
            event.target.value = "";
          }}
        />
        <Button onClick={() => input.current?.click()} isBusy={upload.isPending}>
          <ImageUp />
          {t("settings.avatar_change")}
        </Button>
        <p className="text-faint text-sm">{t("settings.avatar_hint")}</p>
        {refusal && (
          <p role="alert" className="text-danger text-sm">
            {refusal}
          </p>
        )}
      </div>
    </div>
  );
}

function ProfileForm({ user }: { user: User }) {
  const { t } = useTranslation();
  const saved = useUserSaved();
  const [name, setName] = useState(user.display_name);
  const [bio, setBio] = useState(user.bio);
  const save = useMutation({
    mutationFn: () => unwrap(api.PATCH("/api/v1/me", { body: { display_name: name.trim(), bio } })),
    onSuccess: saved,
  });
  const fields = save.error ? ApiError.of(save.error).fields : [];
  const told = (field: string) => fields.find((one) => one.field === field)?.message ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t("settings.display_name")}
        value={name}
        onChange={(event) => setName(event.target.value)}
        maxLength={50}
        required
        error={told("display_name")}
        data-testid="display-name"
      />
      <TextArea
        label={t("settings.bio")}
        value={bio}
        onChange={(event) => setBio(event.target.value)}
        maxLength={1000}
        error={told("bio")}
      />
      {save.isError && fields.length === 0 && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, save.error)}
        </p>
      )}
      <div>
        <Button type="submit" look="solid" isBusy={save.isPending} disabled={!name.trim()}>
          {t("actions.save")}
        </Button>
      </div>
    </form>
  );
}

/** Saved as it is chosen. */
function PrivacyForm() {
  const { t } = useTranslation();
  const settings = useQuery(privacy());
  const save = useSetPrivacy();
  if (settings.isError && !settings.data)
    return <ErrorState error={settings.error} onRetry={() => void settings.refetch()} />;
  if (!settings.data) return <Skeleton className="h-16" />;
  const chosen = { ...settings.data, ...(save.isPending ? save.variables : {}) };
  return (
    <div className="flex flex-col gap-2" data-testid="privacy">
      <Segmented
        label={t("settings.friend_requests")}
        value={chosen.friend_requests}
        onChange={(friend_requests) => save.mutate({ friend_requests })}
        options={(["everybody", "followed", "nobody"] as const).map((value) => ({
          value,
          label: t(`settings.circle.${value}`),
        }))}
      />
      <div className="mt-3">
        <Segmented
          label={t("settings.messages")}
          value={chosen.messages}
          onChange={(messages) => save.mutate({ messages })}
          options={(["everybody", "followed", "friends", "nobody"] as const).map((value) => ({
            value,
            label: t(`settings.letters.${value}`),
          }))}
        />
        <p className="mt-1.5 text-faint text-sm">{t("settings.messages_hint")}</p>
      </div>
      <div className="mt-3" data-testid="privacy-presence">
        <Segmented
          label={t("settings.presence")}
          value={chosen.presence}
          onChange={(presence) => save.mutate({ presence })}
          options={(["friends", "nobody"] as const).map((value) => ({
            value,
            label: t(`settings.sight.${value}`),
          }))}
        />
        <p className="mt-1.5 text-faint text-sm">{t("settings.presence_hint")}</p>
      </div>
      <p className="text-faint text-sm">
        <Link to="/friends" className="text-melt underline-offset-4 hover:underline">
          {t("settings.friends_link")}
        </Link>
      </p>
    </div>
  );
}

function Appearance() {
  const { t } = useTranslation();
  const lang = useLang();
  const { theme, latencyMode } = usePrefs();
  return (
    <>
      <Segmented
        label={t("theme.label")}
        value={theme}
        onChange={setTheme}
        options={(["system", "light", "dark"] as const).map((value) => ({
          value,
          label: t(`theme.${value}`),
        }))}
      />
      <Segmented
        label={t("language.label")}
        value={lang}
        onChange={(value) => void setLanguage(value)}
        options={LANGUAGES.map((value) => ({ value, label: t(`language.${value}`) }))}
      />
      <Segmented
        label={t("player.delay")}
        value={latencyMode}
        onChange={setLatencyMode}
        options={(["low", "normal"] as const).map((value) => ({ value, label: t(`player.delay_${value}`) }))}
      />
      <ShortcutSwitch />
    </>
  );
}
