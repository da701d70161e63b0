// Being built.
export function PhoneApp(_: { app: string }) {
  return null;
}
