# Packages that nixpkgs does not have: the defaults of our modules, as an overlay would give them.
# Each with its main program.
{
  hc = "hc";
  hc-http-gw = "hc-http-gw";
  holo-infra = "holo";
  holochain = "holochain";
  kitsune2-bootstrap-srv = "kitsune2-bootstrap-srv";
}
