# What NixOS must know of a server of Hetzner Cloud: its disk, which nixos-anywhere formats so when it
# installs, and how it boots - servers with Intel and AMD from a BIOS, those with ARM from UEFI. The
# options are disko's. Who may log in, the host's own module says: keys that are known to Hetzner
# reach the first system only.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (pkgs.stdenv.hostPlatform) isx86_64;
  inherit (config.users.users.root.openssh.authorizedKeys) keyFiles keys;
in
{
  assertions = [
    {
      # The stack comes as root.
      assertion = keys != [ ] || keyFiles != [ ];
      message =
        "hetzner: root could not log in: set users.users.root.openssh.authorizedKeys.keys in a module"
        + " that Host.imports names";
    }
  ];

  boot.initrd.availableKernelModules = [
    "sd_mod"
    "virtio_pci"
    "virtio_scsi"
  ];
  boot.loader.grub = {
    # disko names the disk where GRUB stands on it for a BIOS.
    devices = lib.mkIf (!isx86_64) [ "nodev" ];
    efiInstallAsRemovable = true;
    efiSupport = true;
  };
  networking.useDHCP = lib.mkDefault true;
  services.openssh.enable = true;

  disko.devices.disk.main = {
    device = lib.mkDefault "/dev/sda";
    type = "disk";
    content = {
      type = "gpt";
      partitions = {
        bios = lib.mkIf isx86_64 {
          size = "1M";
          type = "EF02"; # where GRUB stands, without UEFI
        };
        efi = {
          size = "512M";
          type = "EF00";
          content = {
            type = "filesystem";
            format = "vfat";
            mountpoint = "/boot";
            mountOptions = [ "umask=0077" ];
          };
        };
        root = {
          size = "100%";
          content = {
            type = "filesystem";
            format = "ext4";
            mountpoint = "/";
          };
        };
      };
    };
  };
}
