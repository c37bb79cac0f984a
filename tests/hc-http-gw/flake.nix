# Nix up to 2.8 takes what replaces an input for a flake, even where the input is none.
{
  outputs = { ... }: { };
}
