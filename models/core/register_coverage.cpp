#include "core/register_coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

namespace rdu::core {

const char* to_string(Access access) {
  switch (access) {
    case Access::rw:
      return "rw";
    case Access::ro:
      return "ro";
    case Access::wo:
      return "wo";
    case Access::w1c:
      return "w1c";
    case Access::w1s:
      return "w1s";
    case Access::rc:
      break;
  }
  return "rc";
}

RegisterCoverage::~RegisterCoverage() {
  for (const auto& block : blocks_) block->file->unobserve(block->observer);
}

void RegisterCoverage::watch(const std::string& name, uint64_t base, RegisterFile& file) {
  auto block = std::make_unique<Block>(Block{name, base, &file, 0, {}});
  for (const Register* reg : file.registers()) {
    block->items.push_back({reg, {}, std::vector<Count>(reg->desc().field_count)});
  }
  std::sort(block->items.begin(), block->items.end(),
            [](const Item& a, const Item& b) { return a.reg->offset() < b.reg->offset(); });
  block->observer =
      file.observe([b = block.get()](const RegisterFile::Access& access) { count(*b, access); });
  blocks_.push_back(std::move(block));
}

void RegisterCoverage::count(Block& block, const RegisterFile::Access& access) {
  const auto item = std::lower_bound(block.items.begin(), block.items.end(), access.reg.offset(),
                                     [](const Item& i, uint64_t offset) { return i.reg->offset() < offset; });
  ++(access.write ? item->count.writes : item->count.reads);
  const RegisterDesc& desc = access.reg.desc();
  for (size_t i = 0; i < desc.field_count; ++i) {
    const FieldDesc& field = desc.fields[i];
    const Field place{field.lsb, field.width};
    if ((access.mask & place.mask()) == 0) continue;
    Count& c = item->fields[i];
    if (!access.write) {
      if (field.access != Access::wo) ++c.reads;
      continue;
    }
    if (field.access == Access::ro || field.access == Access::rc) continue;
    ++c.writes;
    const bool acts_on_ones = field.access == Access::w1c || field.access == Access::w1s;
    const uint64_t unchanged = acts_on_ones ? 0 : place.get(access.before);
    if (place.get(access.value) != unchanged) ++c.changes;
  }
}

RegisterCoverage::Count RegisterCoverage::of(const std::string& block, const std::string& reg,
                                             const char* field) const {
  for (const auto& b : blocks_) {
    if (b->name != block) continue;
    for (const Item& item : b->items) {
      if (item.reg->name() != reg) continue;
      if (!field) return item.count;
      for (size_t i = 0; i < item.fields.size(); ++i) {
        if (std::string(item.reg->desc().fields[i].name) == field) return item.fields[i];
      }
    }
  }
  return {};
}

void RegisterCoverage::write_json(std::ostream& out) const {
  nlohmann::ordered_json blocks = nlohmann::ordered_json::array();
  for (const auto& block : blocks_) {
    nlohmann::ordered_json registers = nlohmann::ordered_json::array();
    for (const Item& item : block->items) {
      nlohmann::ordered_json fields = nlohmann::ordered_json::array();
      for (size_t i = 0; i < item.fields.size(); ++i) {
        const FieldDesc& field = item.reg->desc().fields[i];
        const Count& c = item.fields[i];
        fields.push_back({{"name", field.name},
                          {"access", to_string(field.access)},
                          {"reads", c.reads},
                          {"writes", c.writes},
                          {"changes", c.changes}});
      }
      registers.push_back({{"name", item.reg->name()},
                           {"offset", item.reg->offset()},
                           {"reads", item.count.reads},
                           {"writes", item.count.writes},
                           {"fields", std::move(fields)}});
    }
    blocks.push_back({{"name", block->name}, {"base", block->base}, {"registers", std::move(registers)}});
  }
  out << nlohmann::ordered_json{{"blocks", std::move(blocks)}}.dump(1) << "\n";
}

void RegisterCoverage::write_text(std::ostream& out) const {
  for (const auto& block : blocks_) {
    const auto used = std::count_if(block->items.begin(), block->items.end(), [](const Item& item) {
      return item.count.reads + item.count.writes != 0;
    });
    out << fmt::format("{} at {:#x}: {} of {} registers used\n", block->name, block->base, used,
                       block->items.size());
    if (used != 0) {
      out << fmt::format("  {:<34} {:<6} {:>10} {:>10} {:>10}\n", "register.field", "access", "read",
                         "written", "changed");
    }
    for (const Item& item : block->items) {
      if (item.count.reads + item.count.writes == 0) continue;
      for (size_t i = 0; i < item.fields.size(); ++i) {
        const FieldDesc& field = item.reg->desc().fields[i];
        const Count& c = item.fields[i];
        out << fmt::format("  {:<34} {:<6} {:>10} {:>10} {:>10}\n", item.reg->name() + "." + field.name,
                           to_string(field.access), c.reads, c.writes, c.changes);
      }
    }
    write_unused(out, *block);
    out << "\n";
  }
}

/// Neighbours of an array in one entry: "PRIORITY[3] to PRIORITY[31]".
void RegisterCoverage::write_unused(std::ostream& out, const Block& block) {
  const auto stem = [](const Item& item) { return item.reg->name().substr(0, item.reg->name().find('[')); };
  std::vector<std::string> names;
  for (size_t i = 0; i < block.items.size();) {
    const Item& first = block.items[i];
    if (first.count.reads + first.count.writes != 0) {
      ++i;
      continue;
    }
    size_t last = i;
    const bool is_array = stem(first) != first.reg->name();
    while (is_array && last + 1 < block.items.size() && stem(block.items[last + 1]) == stem(first) &&
           block.items[last + 1].count.reads + block.items[last + 1].count.writes == 0) {
      ++last;
    }
    names.push_back(last == i ? first.reg->name()
                              : first.reg->name() + " to " + block.items[last].reg->name());
    i = last + 1;
  }
  if (!names.empty()) out << fmt::format("  never touched: {}\n", fmt::join(names, ", "));
}

}  // namespace rdu::core
