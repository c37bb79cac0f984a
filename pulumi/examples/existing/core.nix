# What makes the host bootable, and who may log in: yours to write. It belongs into the output folder.
{
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/boot";
    fsType = "vfat";
  };

  security.sudo.wheelNeedsPassword = false;
  services.openssh.enable = true;
  users.users.admin = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfbGQ0kCrUVqa1cr7gY0NTMSqgR3Ui4nYzFfXrkTVPv admin"
    ];
  };
}
