#include "platform/virt/device_tree.h"

#include <fmt/format.h>
#include <libfdt.h>

#include <initializer_list>

#include "core/error.h"
#include "regs/address_map.hpp"

namespace rdu::platform::virt {
namespace {

namespace map = regs::map;

void check(int result) {
  if (result < 0) {
    throw core::Error(core::ErrorKind::internal, "device tree",
                      fmt::format("libfdt: {}", fdt_strerror(result)));
  }
}

using Cells = std::vector<uint32_t>;

/// 64-bit values take two cells: addresses and sizes below the root and /soc.
Cells cells64(std::initializer_list<uint64_t> values) {
  Cells cells;
  for (const uint64_t v : values) {
    cells.push_back(static_cast<uint32_t>(v >> 32));
    cells.push_back(static_cast<uint32_t>(v));
  }
  return cells;
}

std::string strings(std::initializer_list<const char*> list) {
  std::string all;
  for (const char* s : list) all += std::string(s) + '\0';
  return all;
}

/// Writes a tree from front to back.
class Writer {
 public:
  Writer() : bytes_(256 << 10) {
    check(fdt_create(bytes_.data(), static_cast<int>(bytes_.size())));
    check(fdt_finish_reservemap(bytes_.data()));
  }

  template <class Body>
  void node(const std::string& name, Body&& body) {
    check(fdt_begin_node(bytes_.data(), name.c_str()));
    body();
    check(fdt_end_node(bytes_.data()));
  }
  void text(const char* name, const std::string& value) { raw(name, value.c_str(), value.size() + 1); }
  /// Each with its own terminating zero.
  void list(const char* name, const std::string& values) { raw(name, values.data(), values.size()); }
  void flag(const char* name) { raw(name, nullptr, 0); }
  void cells(const char* name, const Cells& values) {
    std::string big_endian;
    for (const uint32_t v : values)
      for (int shift = 24; shift >= 0; shift -= 8) big_endian += static_cast<char>(v >> shift);
    raw(name, big_endian.data(), big_endian.size());
  }
  void cell(const char* name, uint32_t value) { cells(name, {value}); }
  void reg(const map::Entry& entry) { cells("reg", cells64({entry.base, entry.size})); }

  std::vector<uint8_t> finish() {
    check(fdt_finish(bytes_.data()));
    bytes_.resize(fdt_totalsize(bytes_.data()));
    return std::move(bytes_);
  }

 private:
  void raw(const char* name, const void* data, size_t size) {
    check(fdt_property(bytes_.data(), name, data, static_cast<int>(size)));
  }
  std::vector<uint8_t> bytes_;
};

/// Names that nodes refer to each other by; those of the harts' interrupt controllers come first.
struct Phandles {
  unsigned harts;
  uint32_t hart(unsigned i) const { return 1 + i; }
  uint32_t plic() const { return 1 + harts; }
  uint32_t finisher() const { return 2 + harts; }
  /// The same interrupts of each hart: a specifier for interrupts-extended.
  Cells each_hart(std::initializer_list<uint32_t> interrupts) const {
    Cells cells;
    for (unsigned i = 0; i < harts; ++i) {
      for (const uint32_t n : interrupts) {
        cells.push_back(hart(i));
        cells.push_back(n);
      }
    }
    return cells;
  }
};

// Numbers of interrupts at a hart (mip).
constexpr uint32_t kMachineSoftware = 3, kMachineTimer = 7, kSupervisorExternal = 9, kMachineExternal = 11;
// What QEMU says; the model's UART has no rate.
constexpr uint32_t kUartClock = 3686400;
constexpr uint32_t kPowerOff = 0x5555, kReset = 0x7777;  // commands of the finisher

std::string node_name(const char* name, const map::Entry& entry) {
  return fmt::format("{}@{:x}", name, entry.base);
}

void write_cpus(Writer& w, const Machine& m, const Phandles& phandles) {
  w.node("cpus", [&] {
    w.cell("#address-cells", 1);
    w.cell("#size-cells", 0);
    w.cell("timebase-frequency", static_cast<uint32_t>(m.timebase));
    for (unsigned i = 0; i < m.harts; ++i) {
      w.node(fmt::format("cpu@{:x}", i), [&] {
        w.text("device_type", "cpu");
        w.cell("reg", i);
        w.text("status", "okay");
        w.text("compatible", "riscv");
        w.text("riscv,isa", m.isa);
        w.text("riscv,isa-base", "rv64i");
        std::string extensions;
        for (const std::string& e : m.extensions) extensions += e + '\0';
        w.list("riscv,isa-extensions", extensions);
        if (!m.mmu.empty()) w.text("mmu-type", m.mmu);
        w.node("interrupt-controller", [&] {
          w.cell("#interrupt-cells", 1);
          w.flag("interrupt-controller");
          w.text("compatible", "riscv,cpu-intc");
          w.cell("phandle", phandles.hart(i));
        });
      });
    }
  });
}

void write_soc(Writer& w, const Machine& m, const Phandles& phandles) {
  w.node(node_name("test", map::TEST), [&] {
    w.list("compatible", strings({"sifive,test1", "sifive,test0", "syscon"}));
    w.reg(map::TEST);
    w.cell("phandle", phandles.finisher());
  });
  w.node(node_name("clint", map::CLINT), [&] {
    w.list("compatible", strings({"sifive,clint0", "riscv,clint0"}));
    w.reg(map::CLINT);
    w.cells("interrupts-extended", phandles.each_hart({kMachineSoftware, kMachineTimer}));
  });
  w.node(node_name("plic", map::PLIC), [&] {
    w.list("compatible", strings({"sifive,plic-1.0.0", "riscv,plic0"}));
    w.reg(map::PLIC);
    w.flag("interrupt-controller");
    w.cell("#interrupt-cells", 1);
    w.cell("#address-cells", 0);
    w.cells("interrupts-extended", phandles.each_hart({kMachineExternal, kSupervisorExternal}));
    w.cell("riscv,ndev", m.sources);
    w.cell("phandle", phandles.plic());
  });
  w.node(node_name("serial", map::UART0), [&] {
    w.text("compatible", "ns16550a");
    w.reg(map::UART0);
    w.cell("clock-frequency", kUartClock);
    w.cell("interrupt-parent", phandles.plic());
    w.cell("interrupts", map::IRQ_UART0);
  });
  for (const Machine::Block& block : m.blocks) {
    w.node(fmt::format("{}@{:x}", block.name, block.base), [&] {
      w.text("compatible", "rdu," + block.name);
      w.cells("reg", cells64({block.base, block.size}));
      if (block.interrupt != 0) {
        w.cell("interrupt-parent", phandles.plic());
        w.cell("interrupts", block.interrupt);
      }
    });
  }
}

void write_syscon(Writer& w, const char* name, uint32_t command, const Phandles& phandles) {
  w.node(name, [&] {
    w.text("compatible", std::string("syscon-") + name);
    w.cell("regmap", phandles.finisher());
    w.cell("offset", 0);
    w.cell("value", command);
  });
}

}  // namespace

std::vector<uint8_t> make_device_tree(const Machine& m) {
  Writer w;
  const Phandles phandles{m.harts};
  w.node("", [&] {
    w.cell("#address-cells", 2);
    w.cell("#size-cells", 2);
    w.list("compatible", strings({"rdu,virt", "riscv-virtio"}));
    w.text("model", "rdu-vp,virt");
    w.node("chosen", [&] { w.text("stdout-path", "/soc/" + node_name("serial", map::UART0)); });
    w.node(node_name("memory", map::RAM), [&] {
      w.text("device_type", "memory");
      w.cells("reg", cells64({map::RAM.base, m.ram_size}));
    });
    write_cpus(w, m, phandles);
    write_syscon(w, "poweroff", kPowerOff, phandles);
    write_syscon(w, "reboot", kReset, phandles);
    w.node("soc", [&] {
      w.cell("#address-cells", 2);
      w.cell("#size-cells", 2);
      w.text("compatible", "simple-bus");
      w.flag("ranges");
      write_soc(w, m, phandles);
    });
  });
  return w.finish();
}

std::vector<uint8_t> with_chosen(const std::vector<uint8_t>& tree, const std::string& name,
                                 const Chosen& chosen) {
  // Everything in it is looked at once: libfdt's other functions trust what they get.
  if (tree.size() < sizeof(fdt_header) || fdt_check_full(tree.data(), tree.size()) != 0)
    core::bad_input(fmt::format("{}: no flattened device tree, or not all of it", name));
  std::vector<uint8_t> out(fdt_totalsize(tree.data()) + chosen.bootargs.size() + 4096);
  void* fdt = out.data();
  const auto edit = [&name](int result) {
    if (result < 0) core::bad_input(fmt::format("{}: {}", name, fdt_strerror(result)));
    return result;
  };
  edit(fdt_open_into(tree.data(), fdt, static_cast<int>(out.size())));
  int node = fdt_path_offset(fdt, "/chosen");
  if (node == -FDT_ERR_NOTFOUND) node = fdt_add_subnode(fdt, 0, "chosen");
  edit(node);
  if (!chosen.bootargs.empty()) edit(fdt_setprop_string(fdt, node, "bootargs", chosen.bootargs.c_str()));
  if (chosen.initrd_end != 0) {
    edit(fdt_setprop_u64(fdt, node, "linux,initrd-start", chosen.initrd_begin));
    edit(fdt_setprop_u64(fdt, node, "linux,initrd-end", chosen.initrd_end));
  }
  edit(fdt_pack(fdt));
  out.resize(fdt_totalsize(fdt));
  return out;
}

}  // namespace rdu::platform::virt
