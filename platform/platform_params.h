#pragma once

#include "core/parameter.h"
#include "fabric/params.h"
#include "link/params.h"
#include "memory/params.h"
#include "mgmt/params.h"
#include "mgmt/sensors_params.h"
#include "noc/tln.h"
#include "pcie/endpoint.h"
#include "platform/simulation.h"

/// The tree of all parameters: what platform/config/*.yaml set and --list-params shows. Each number is
/// declared beside its model; here is only how they nest.
namespace rdu::platform {

struct SocketParams {
  uint64_t tiles = 4;
  fabric::FabricParams tile;
  memory::HbmParams hbm;
  memory::DdrParams ddr;
  noc::TlnParams tln;
  memory::CopyEngineParams copy_engine;
  mgmt::MgmtParams mgmt;
  pcie::PcieParams pcie;
  link::LinkParams links;
  mgmt::SensorParams sensors;

  template <class Visitor>
  void describe(Visitor& v) {
    v(tiles, core::Parameter{"tiles", core::Unit::count, "Tiles of the socket",
                             "4 (second-hand notes of the MLSys 2026 paper)", 1, 4});
    v.group("tile", tile);
    v.group("hbm", hbm);
    v.group("ddr", ddr);
    v.group("tln", tln);
    v.group("copy_engine", copy_engine);
    v.group("mgmt", mgmt);
    v.group("pcie", pcie);
    v.group("links", links);
    v.group("sensors", sensors);
  }
};

struct PlatformParams {
  SocketParams socket;
  CouplingParams coupling;

  template <class Visitor>
  void describe(Visitor& v) {
    v.group("socket", socket);
    v.group("coupling", coupling);
  }
};

}  // namespace rdu::platform
