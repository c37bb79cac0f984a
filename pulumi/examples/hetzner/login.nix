# Who may log in: Hetzner's `sshKeys` reach only the first system, which NixOS takes the place of. This
# file belongs into the output folder.
{
  users.users.root.openssh.authorizedKeys.keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfbGQ0kCrUVqa1cr7gY0NTMSqgR3Ui4nYzFfXrkTVPv admin"
  ];
}
