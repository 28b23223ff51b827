#include "compiler/container.h"

#include <elf.h>
#include <fmt/format.h>
#include <libelf.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/trace.h"
#include "compiler/unit_words.h"

namespace rdu::compiler {
namespace {

using nlohmann::json;

constexpr const char* kConfig = ".rdu.config";
constexpr const char* kArgs = ".rdu.args";
constexpr const char* kUnits = ".rdu.units";
constexpr const char* kRoutes = ".rdu.routes";
constexpr const char* kInfo = ".rdu.info";
constexpr const char* kCheck = ".rdu.check";
constexpr const char* kPayload[] = {kConfig, kArgs, kUnits, kRoutes, kInfo};
constexpr size_t kPayloads = std::size(kPayload);

/// Content of .rdu.check.
struct Check {
  uint32_t file;                ///< CRC-32 of the whole file, with these four bytes taken as zero
  uint32_t size;                ///< bytes of the whole file
  uint32_t section[kPayloads];  ///< CRC-32 of each section, in the order of kPayload
};

constexpr size_t kMaxFile = 256u << 20;  // far above any program; keeps a damaged size from exhausting memory

uint32_t crc_of(const uint8_t* data, size_t size, uint32_t start = 0) {
  return static_cast<uint32_t>(crc32(start, data, static_cast<uInt>(size)));
}

/// CRC-32 of `file` with the four bytes at `hole` taken as zero.
uint32_t crc_of_file(const std::vector<uint8_t>& file, size_t hole) {
  const uint8_t zero[4] = {};
  uint32_t crc = crc_of(file.data(), hole);
  crc = crc_of(zero, sizeof zero, crc);
  return crc_of(file.data() + hole + 4, file.size() - hole - 4, crc);
}

// --- text sections
// ---------------------------------------------------------------------------------------------------

/// One entry a line, so that `readelf -p` and `strings` are readable too.
std::string to_text(const std::vector<json>& entries) {
  try {
    std::string text;
    for (const json& entry : entries) text += entry.dump() + "\n";
    return text;
  } catch (const json::exception& e) {  // a text that is not UTF-8
    throw Error(fmt::format("a program's texts cannot be written: {}", e.what()));
  }
}

json fixup_to_json(const Fixup& f) {
  return {{"unit", unit_text(f.unit)}, {"word", f.word},    {"count", f.count},
          {"multiply", f.multiply},    {"add", f.add},      {"divide", f.divide},
          {"scale", f.scale},          {"offset", f.offset}};
}

std::string arguments_to_text(const std::vector<Argument>& arguments) {
  std::vector<json> entries;
  for (const Argument& a : arguments) {
    json fixups = json::array();
    for (const Fixup& f : a.fixups) fixups.push_back(fixup_to_json(f));
    entries.push_back({{"name", a.name},
                       {"description", a.description},
                       {"address", a.address},
                       {"minimum", a.minimum},
                       {"maximum", a.maximum},
                       {"multiple", a.multiple},
                       {"fixups", fixups}});
  }
  return to_text(entries);
}

std::string units_to_text(const std::vector<UnitEntry>& units) {
  std::vector<json> entries;
  for (const UnitEntry& u : units) {
    entries.push_back(
        {{"name", u.name}, {"role", role_name(u.role)}, {"unit", unit_text(u.id)}, {"note", u.note}});
  }
  return to_text(entries);
}

std::string routes_to_text(const std::vector<RouteEntry>& routes, const std::vector<TokenEntry>& tokens) {
  std::vector<json> entries;
  for (const RouteEntry& r : routes) {
    json sinks = json::array();
    for (const auto& s : r.sinks) sinks.push_back({{"unit", s.unit}, {"input", s.input}});
    json hops = json::array();
    for (const auto& h : r.hops) {
      hops.push_back({{"switch", unit_text(RDU_UNIT(RDU_UNIT_SWITCH, h.row, h.col))},
                      {"port", h.port},
                      {"flow", h.flow},
                      {"out", h.out},
                      {"next_flow", h.next_flow}});
    }
    json entry = {{"name", r.name}, {"source", r.source}, {"sinks", sinks}, {"hops", hops}};
    if (r.output != 0) entry["output"] = r.output;
    entries.push_back(std::move(entry));
  }
  for (const TokenEntry& t : tokens) {
    json hops = json::array();
    for (const auto& h : t.hops) {
      hops.push_back(
          {{"switch", unit_text(RDU_UNIT(RDU_UNIT_SWITCH, h.row, h.col))}, {"wire", h.wire}, {"out", h.out}});
    }
    entries.push_back({{"token", t.source}, {"input", t.input}, {"hops", hops}});
  }
  return to_text(entries);
}

std::string info_to_text(const ProgramInfo& info, const Shape& shape) {
  return to_text({{{"kernel", info.kernel},
                   {"description", info.description},
                   {"build", info.build},
                   {"container_version", kContainerVersion},
                   {"rows", shape.rows},
                   {"columns", shape.cols},
                   {"channels", shape.channels},
                   {"properties", info.properties}}});
}

/// Reads one section's entries; every access names file, section and line when it fails.
class TextSection {
 public:
  TextSection(const std::string& file, const char* section, const std::vector<uint8_t>& bytes)
      : where_(file + ": " + section) {
    size_t line = 1;
    for (auto at = bytes.begin(); at != bytes.end(); ++line) {
      const auto end = std::find(at, bytes.end(), '\n');
      if (end == bytes.end()) throw Error(fmt::format("{}: line {} has no end", where_, line));
      json entry = json::parse(at, end, nullptr, false);
      if (!entry.is_object()) throw Error(fmt::format("{}: line {} is not a JSON object", where_, line));
      entries_.push_back(std::move(entry));
      at = end + 1;
    }
  }

  /// Calls `read(entry)` for every entry and turns what the JSON library objects to into an Error.
  template <class Read>
  void each(Read read) const {
    size_t line = 0;
    for (const json& entry : entries_) {
      ++line;
      try {
        read(entry);
      } catch (const json::exception& e) {
        throw Error(fmt::format("{}: line {}: {}", where_, line, e.what()));
      } catch (const Error& e) {
        throw Error(fmt::format("{}: line {}: {}", where_, line, e.what()));
      }
    }
  }

  size_t size() const { return entries_.size(); }
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  std::vector<json> entries_;
};

/// A non-negative integer that fits T.
template <class T>
T number(const json& object, const char* key) {
  const json& value = object.at(key);
  if (!value.is_number_unsigned()) throw Error(fmt::format("'{}' is not a non-negative integer", key));
  const uint64_t wide = value.get<uint64_t>();
  if (wide > std::numeric_limits<T>::max()) throw Error(fmt::format("'{}' is too large: {}", key, wide));
  return static_cast<T>(wide);
}

Role role_from(const std::string& name) {
  for (Role role : {Role::pcu, Role::pmu, Role::load, Role::store}) {
    if (name == role_name(role)) return role;
  }
  throw Error(fmt::format("'{}' is not a role", name));
}

uint32_t switch_from(const json& hop) {
  const uint32_t id = parse_unit_text(hop.at("switch").get<std::string>());
  if (RDU_UNIT_KIND(id) != RDU_UNIT_SWITCH) throw Error("a hop's switch is another kind of unit");
  return id;
}

std::vector<Argument> arguments_from(const TextSection& text) {
  std::vector<Argument> result;
  text.each([&](const json& entry) {
    Argument a;
    a.name = entry.at("name").get<std::string>();
    a.description = entry.at("description").get<std::string>();
    a.address = entry.at("address").get<bool>();
    a.minimum = number<uint64_t>(entry, "minimum");
    a.maximum = number<uint64_t>(entry, "maximum");
    a.multiple = number<uint64_t>(entry, "multiple");
    for (const json& f : entry.at("fixups")) {
      Fixup fixup;
      fixup.unit = parse_unit_text(f.at("unit").get<std::string>());
      fixup.word = number<uint16_t>(f, "word");
      fixup.count = number<uint16_t>(f, "count");
      fixup.multiply = number<uint64_t>(f, "multiply");
      fixup.add = number<uint64_t>(f, "add");
      fixup.divide = number<uint64_t>(f, "divide");
      fixup.scale = number<uint64_t>(f, "scale");
      fixup.offset = number<uint64_t>(f, "offset");
      a.fixups.push_back(fixup);
    }
    result.push_back(std::move(a));
  });
  return result;
}

std::vector<UnitEntry> units_from(const TextSection& text) {
  std::vector<UnitEntry> result;
  text.each([&](const json& entry) {
    result.push_back({entry.at("name").get<std::string>(), role_from(entry.at("role").get<std::string>()),
                      parse_unit_text(entry.at("unit").get<std::string>()),
                      entry.at("note").get<std::string>()});
  });
  return result;
}

void routes_from(const TextSection& text, ProgramParts* parts) {
  text.each([&](const json& entry) {
    if (entry.contains("token")) {
      TokenEntry token;
      token.source = entry.at("token").get<std::string>();
      token.input = number<unsigned>(entry, "input");
      for (const json& h : entry.at("hops")) {
        const uint32_t id = switch_from(h);
        token.hops.push_back({static_cast<uint16_t>(RDU_UNIT_ROW(id)),
                              static_cast<uint16_t>(RDU_UNIT_COL(id)), number<uint8_t>(h, "wire"),
                              number<uint8_t>(h, "out")});
      }
      parts->tokens.push_back(std::move(token));
      return;
    }
    RouteEntry route;
    route.name = entry.at("name").get<std::string>();
    route.source = entry.at("source").get<std::string>();
    if (entry.contains("output")) route.output = number<unsigned>(entry, "output");
    for (const json& s : entry.at("sinks")) {
      route.sinks.push_back({s.at("unit").get<std::string>(), number<unsigned>(s, "input")});
    }
    for (const json& h : entry.at("hops")) {
      const uint32_t id = switch_from(h);
      route.hops.push_back({static_cast<uint16_t>(RDU_UNIT_ROW(id)), static_cast<uint16_t>(RDU_UNIT_COL(id)),
                            number<uint8_t>(h, "port"), number<uint8_t>(h, "flow"),
                            number<uint8_t>(h, "next_flow"), number<uint32_t>(h, "out")});
    }
    parts->routes.push_back(std::move(route));
  });
}

ProgramInfo info_from(const TextSection& text, Shape* shape) {
  if (text.size() != 1) throw Error(fmt::format("{}: {} entries instead of one", text.where(), text.size()));
  ProgramInfo info;
  text.each([&](const json& entry) {
    info.kernel = entry.at("kernel").get<std::string>();
    info.description = entry.at("description").get<std::string>();
    info.build = entry.at("build").get<std::string>();
    info.properties = entry.at("properties").get<std::map<std::string, std::string>>();
    shape->rows = number<uint16_t>(entry, "rows");
    shape->cols = number<uint16_t>(entry, "columns");
    shape->channels = number<uint16_t>(entry, "channels");
    const uint32_t version = number<uint32_t>(entry, "container_version");
    if (version != kContainerVersion) throw Error(fmt::format("container version {}", version));
  });
  return info;
}

// --- ELF
// -------------------------------------------------------------------------------------------------------------

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

/// A file that exists only in memory: libelf writes to file descriptors.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("rdu", MFD_CLOEXEC)) {
    if (fd_ < 0) throw Error(fmt::format("no memory file for the container: {}", std::strerror(errno)));
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  int fd() const { return fd_; }
  std::vector<uint8_t> content() const {
    const off_t size = lseek(fd_, 0, SEEK_END);
    std::vector<uint8_t> bytes(size > 0 ? static_cast<size_t>(size) : 0);
    if (size < 0 || pread(fd_, bytes.data(), bytes.size(), 0) != size) {
      throw Error(fmt::format("cannot read back the container: {}", std::strerror(errno)));
    }
    return bytes;
  }

 private:
  int fd_;
};

void start_libelf() {
  if (elf_version(EV_CURRENT) == EV_NONE) throw Error(fmt::format("libelf: {}", elf_errmsg(-1)));
}

/// Throws what libelf last complained about when `ok` is false.
void need(bool ok, const std::string& where) {
  if (!ok) throw Error(fmt::format("{}: {}", where, elf_errmsg(-1)));
}

std::string machine_name(uint16_t machine) {
  switch (machine) {
    case EM_386:
      return "x86";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC64";
    case EM_S390:
      return "S/390";
    case EM_MIPS:
      return "MIPS";
    case EM_NONE:
      return "no machine";
  }
  return fmt::format("machine {:#x}", machine);
}

/// Refuses what is not an ELF file for this machine, with the reason a person needs.
void check_ident(const std::vector<uint8_t>& file, const std::string& name) {
  if (file.size() < SELFMAG || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) {
    throw Error(name + ": is not an ELF file, so no RDU program");
  }
  if (file.size() < sizeof(Elf32_Ehdr)) throw Error(name + ": is cut off in the ELF header");
  uint16_t machine;
  std::memcpy(&machine, file.data() + offsetof(Elf64_Ehdr, e_machine), sizeof machine);
  if (file[EI_DATA] == ELFDATA2MSB) machine = static_cast<uint16_t>(machine << 8 | machine >> 8);
  if (machine != kElfMachine) {
    throw Error(fmt::format("{}: is an ELF for {}, not an RDU program", name, machine_name(machine)));
  }
  if (file[EI_CLASS] != ELFCLASS64 || file[EI_DATA] != ELFDATA2LSB) {
    throw Error(name + ": is not a little-endian ELF64, so no RDU program");
  }
  if (file.size() < sizeof(Elf64_Ehdr)) throw Error(name + ": is cut off in the ELF header");
  // libelf hands out pointers to where the headers are.
  uint64_t table;
  std::memcpy(&table, file.data() + offsetof(Elf64_Ehdr, e_shoff), sizeof table);
  if (table % alignof(Elf64_Shdr) != 0) {
    throw Error(
        fmt::format("{}: is damaged: its section headers begin at byte {}, which is no multiple of {}", name,
                    table, alignof(Elf64_Shdr)));
  }
}

/// Sections of a container by name.
class ElfReader {
 public:
  ElfReader(const std::vector<uint8_t>& file, const std::string& name) : file_(file), name_(name) {
    check_ident(file, name);
    start_libelf();
    // libelf takes a writable pointer but changes nothing that is opened for reading.
    elf_.reset(elf_memory(reinterpret_cast<char*>(const_cast<uint8_t*>(file.data())), file.size()));
    need(elf_ != nullptr && elf_kind(elf_.get()) == ELF_K_ELF, name);
    size_t names = 0;
    need(elf_getshdrstrndx(elf_.get(), &names) == 0, name);
    for (Elf_Scn* s = nullptr; (s = elf_nextscn(elf_.get(), s)) != nullptr;) {
      const Elf64_Shdr* header = elf64_getshdr(s);
      need(header != nullptr, name);
      const char* text = elf_strptr(elf_.get(), names, header->sh_name);
      need(text != nullptr, name);
      if (header->sh_type == SHT_NOBITS || header->sh_offset > file.size() ||
          header->sh_size > file.size() - header->sh_offset) {
        throw Error(fmt::format("{}: section {} reaches beyond the end of the file", name, text));
      }
      if (!places_.emplace(text, std::make_pair(header->sh_offset, header->sh_size)).second) {
        throw Error(fmt::format("{}: two sections are named {}", name, text));
      }
    }
  }

  size_t offset(const char* section) const { return place(section).first; }
  std::vector<uint8_t> bytes(const char* section) const {
    const auto [offset, size] = place(section);
    return {file_.data() + offset, file_.data() + offset + size};
  }
  uint32_t flags() const {
    uint32_t flags;
    std::memcpy(&flags, file_.data() + offsetof(Elf64_Ehdr, e_flags), sizeof flags);
    return flags;
  }

 private:
  std::pair<size_t, size_t> place(const char* section) const {
    const auto found = places_.find(section);
    if (found == places_.end()) throw Error(fmt::format("{}: section {} is missing", name_, section));
    return found->second;
  }

  const std::vector<uint8_t>& file_;
  const std::string& name_;
  ElfHandle elf_;
  std::map<std::string, std::pair<size_t, size_t>> places_;
};

/// Writes the sections in order, then the section names; the file is laid out by libelf.
std::vector<uint8_t> write_elf(std::vector<std::pair<const char*, std::vector<uint8_t>>> sections) {
  const std::string where = "writing the container";
  start_libelf();
  MemoryFile out;
  ElfHandle elf(elf_begin(out.fd(), ELF_C_WRITE, nullptr));
  need(elf != nullptr, where);
  need(elf64_newehdr(elf.get()) != nullptr, where);

  std::vector<uint8_t> names(1);
  std::vector<uint32_t> name_at;
  const auto add_name = [&](const char* name) {
    name_at.push_back(static_cast<uint32_t>(names.size()));
    names.insert(names.end(), name, name + std::strlen(name) + 1);
  };
  for (const auto& section : sections) add_name(section.first);
  add_name(".shstrtab");
  sections.emplace_back(".shstrtab", names);

  Elf64_Half names_index = SHN_UNDEF;
  for (size_t i = 0; i < sections.size(); ++i) {
    const bool is_names = i + 1 == sections.size();
    Elf_Scn* scn = elf_newscn(elf.get());
    need(scn != nullptr, where);
    Elf_Data* data = elf_newdata(scn);
    need(data != nullptr, where);
    data->d_buf = sections[i].second.data();
    data->d_size = sections[i].second.size();
    data->d_type = ELF_T_BYTE;
    data->d_align = is_names ? 1 : 8;
    Elf64_Shdr* header = elf64_getshdr(scn);
    need(header != nullptr, where);
    header->sh_name = name_at[i];
    header->sh_type = is_names ? SHT_STRTAB : SHT_PROGBITS;
    if (is_names) names_index = static_cast<Elf64_Half>(elf_ndxscn(scn));
  }
  Elf64_Ehdr* header = elf64_getehdr(elf.get());
  need(header != nullptr, where);
  header->e_ident[EI_DATA] = ELFDATA2LSB;
  header->e_type = ET_EXEC;
  header->e_machine = kElfMachine;
  header->e_version = EV_CURRENT;
  header->e_flags = kContainerVersion;
  header->e_shstrndx = names_index;
  need(elf_update(elf.get(), ELF_C_WRITE) >= 0, where);
  elf.reset();
  return out.content();
}

std::vector<uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

// --- checks
// ----------------------------------------------------------------------------------------------------------

uint32_t kind_of(Role role) {
  switch (role) {
    case Role::pcu:
      return RDU_UNIT_PCU;
    case Role::pmu:
      return RDU_UNIT_PMU;
    case Role::load:
    case Role::store:
      return RDU_UNIT_AGCU;
  }
  return 0;
}

void check_units(const std::vector<UnitEntry>& units, const Configuration& configuration,
                 const std::string& where) {
  std::set<std::string> names;
  std::set<std::pair<uint32_t, Role>> places;
  for (const UnitEntry& u : units) {
    const std::string who = fmt::format("{}: unit '{}'", where, u.name);
    check_name(u.name, where + ": a unit");
    check_text(u.note, who);
    if (!names.insert(u.name).second) throw Error(who + " is listed twice");
    check_unit(u.id, configuration.shape(), who);
    if (RDU_UNIT_KIND(u.id) != kind_of(u.role)) {
      throw Error(fmt::format("{} cannot be a {} on {}", who, role_name(u.role), unit_text(u.id)));
    }
    if (!places.emplace(u.id, u.role).second) {
      throw Error(fmt::format("{} shares {} with another unit", who, unit_text(u.id)));
    }
    if (configuration.units().count(u.id) == 0) {
      throw Error(fmt::format("{} on {} is not configured", who, unit_text(u.id)));
    }
  }
  for (const auto& configured : configuration.units()) {
    if (RDU_UNIT_KIND(configured.first) == RDU_UNIT_SWITCH) continue;
    const bool listed =
        std::any_of(units.begin(), units.end(), [&](const UnitEntry& u) { return u.id == configured.first; });
    // The master is configured for its token inputs even when it moves no data.
    const bool master = configured.first == RDU_UNIT(RDU_UNIT_AGCU, 0, 0);
    if (!listed && !master) {
      throw Error(fmt::format("{}: {} is configured but not listed", where, unit_text(configured.first)));
    }
  }
}

/// Every word must be a register, and hold nothing beside its fields.
void check_words(const Configuration& configuration, const std::string& where) {
  for (const auto& [unit, words] : configuration.units()) {
    for (const auto& [word, value] : words) {
      const UnitRegister* reg = unit_register(RDU_UNIT_KIND(unit), word);
      if (!reg) throw Error(fmt::format("{}: {} has no word {}", where, unit_text(unit), word));
      const uint64_t mask = reg->mask() >> 32 * (word - reg->word);
      if ((value & ~static_cast<uint32_t>(mask)) != 0) {
        throw Error(fmt::format("{}: {} of {} is {:#x}, which sets reserved bits", where, reg->name,
                                unit_text(unit), value));
      }
    }
  }
}

/// What is listed about routes must be what the configuration does.
void check_routes(const ProgramParts& parts, const Configuration& configuration, const std::string& where) {
  const auto find = [&](const std::string& name, const std::string& who) -> const UnitEntry& {
    const auto found = std::find_if(parts.units.begin(), parts.units.end(),
                                    [&](const UnitEntry& u) { return u.name == name; });
    if (found == parts.units.end())
      throw Error(fmt::format("{} names a unit '{}' that is not listed", who, name));
    return *found;
  };
  std::map<std::pair<uint32_t, unsigned>, TracedRoute> routes;
  std::map<uint32_t, TracedToken> tokens;
  try {
    for (TracedRoute& r : trace_routes(configuration)) {
      const auto key = std::make_pair(r.source, r.output);
      routes.emplace(key, std::move(r));
    }
    for (TracedToken& t : trace_tokens(configuration)) tokens.emplace(t.source, std::move(t));
  } catch (const Error& e) {
    throw Error(fmt::format("{}: {}", where, e.what()));
  }
  const auto same_hop = [](const RouteEntry::Hop& a, const RouteEntry::Hop& b) {
    return a.row == b.row && a.col == b.col && a.port == b.port && a.flow == b.flow &&
           a.next_flow == b.next_flow && a.out == b.out;
  };
  for (const RouteEntry& r : parts.routes) {
    check_name(r.name, where + ": a route");
    const std::string who = fmt::format("{}: route '{}'", where, r.name);
    const auto found = routes.find({find(r.source, who).id, r.output});
    if (found == routes.end()) throw Error(who + " is listed, but not configured");
    std::vector<TracedSink> sinks;
    for (const auto& s : r.sinks) sinks.push_back({find(s.unit, who).id, s.input});
    std::sort(sinks.begin(), sinks.end());
    const auto& hops = found->second.hops;
    if (sinks != found->second.sinks ||
        !std::equal(r.hops.begin(), r.hops.end(), hops.begin(), hops.end(), same_hop)) {
      throw Error(who + " is configured differently");
    }
    routes.erase(found);
  }
  if (!routes.empty()) {
    throw Error(
        fmt::format("{}: the route of {} is not listed", where, unit_text(routes.begin()->first.first)));
  }
  for (const TokenEntry& t : parts.tokens) {
    const std::string who = fmt::format("{}: done token of '{}'", where, t.source);
    const auto found = tokens.find(find(t.source, who).id);
    const auto same = [](const TokenEntry::Hop& a, const TokenEntry::Hop& b) {
      return a.row == b.row && a.col == b.col && a.wire == b.wire && a.out == b.out;
    };
    if (found == tokens.end() || found->second.input != t.input ||
        !std::equal(t.hops.begin(), t.hops.end(), found->second.hops.begin(), found->second.hops.end(),
                    same)) {
      throw Error(who + " is configured differently");
    }
    tokens.erase(found);
  }
  if (!tokens.empty()) {
    throw Error(
        fmt::format("{}: the done token of {} is not listed", where, unit_text(tokens.begin()->first)));
  }
}

void check_arguments(const std::vector<Argument>& arguments, const Configuration& configuration,
                     const std::string& where) {
  std::set<std::string> names;
  std::set<std::pair<uint32_t, unsigned>> written;
  for (const Argument& a : arguments) {
    const std::string who = fmt::format("{}: argument '{}'", where, a.name);
    check_name(a.name, where + ": an argument");
    check_text(a.description, who);
    if (!names.insert(a.name).second) throw Error(who + " is listed twice");
    if (a.multiple == 0) throw Error(who + " must be a multiple of zero");
    if (a.minimum > a.maximum) throw Error(who + " has an empty range");
    if (a.fixups.empty()) throw Error(who + " is used nowhere");
    for (const Fixup& f : a.fixups) {
      check_unit(f.unit, configuration.shape(), who);
      if (f.count < 1 || f.count > 2 || f.word + f.count > unit_words(f.unit)) {
        throw Error(
            fmt::format("{} writes {} words from word {} of {}", who, f.count, f.word, unit_text(f.unit)));
      }
      if (f.divide == 0) throw Error(who + " is divided by zero");
      for (unsigned k = 0; k < f.count; ++k) {
        if (configuration.units().count(f.unit) == 0 || !unit_register(RDU_UNIT_KIND(f.unit), f.word + k)) {
          throw Error(fmt::format("{} writes word {} of {}, which the program does not use", who, f.word + k,
                                  unit_text(f.unit)));
        }
        if (!written.emplace(f.unit, f.word + k).second) {
          throw Error(fmt::format("{} writes word {} of {}, which is written already", who, f.word + k,
                                  unit_text(f.unit)));
        }
      }
    }
  }
}

}  // namespace

void check_name(const std::string& name, const std::string& where) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  if (name.empty()) throw Error(where + " has no name");
  if (!std::all_of(name.begin(), name.end(), good)) {
    throw Error(where + " has a name with characters other than letters, digits, '_', '-' and '.'");
  }
}

void check_text(const std::string& text, const std::string& where) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), control)) throw Error(where + " has control characters");
}

const char* role_name(Role role) {
  switch (role) {
    case Role::pcu:
      return "pcu";
    case Role::pmu:
      return "pmu";
    case Role::load:
      return "load";
    case Role::store:
      return "store";
  }
  return "?";
}

bool Fixup::apply(uint64_t argument, uint64_t* result) const {
  uint64_t r;
  if (__builtin_mul_overflow(argument, multiply, &r) || __builtin_add_overflow(r, add, &r)) return false;
  r /= divide;
  return !__builtin_mul_overflow(r, scale, &r) && !__builtin_add_overflow(r, offset, result);
}

Program::Program(ProgramParts parts, const std::string& where)
    : parts_(std::move(parts)), configuration_([&] {
        try {
          return Configuration::parse(parts_.config);
        } catch (const Error& e) {
          throw Error(fmt::format("{}: {}", where, e.what()));
        }
      }()) {
  check_name(parts_.info.kernel, where + ": the kernel");
  check_text(parts_.info.description, where + ": the kernel's description");
  check_text(parts_.info.build, where + ": the build text");
  for (const auto& [name, value] : parts_.info.properties) {
    check_name(name, where + ": a property");
    check_text(value, where + ": property '" + name + "'");
  }
  check_words(configuration_, where);
  check_units(parts_.units, configuration_, where);
  check_arguments(parts_.arguments, configuration_, where);
  check_routes(parts_, configuration_, where);
}

Program Program::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw Error(fmt::format("{}: {}", path, std::strerror(errno)));
  const std::streamoff size = in.tellg();
  if (size < 0 || static_cast<uint64_t>(size) > kMaxFile) {
    throw Error(fmt::format("{}: is no file of at most {} MiB", path, kMaxFile >> 20));
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  in.seekg(0);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), size)) {
    throw Error(fmt::format("{}: cannot be read", path));
  }
  return parse(bytes.data(), bytes.size(), path);
}

Program Program::parse(const void* data, size_t size, const std::string& name) {
  if (size > kMaxFile) throw Error(fmt::format("{}: is larger than {} MiB", name, kMaxFile >> 20));
  const auto* first = static_cast<const uint8_t*>(data);
  const std::vector<uint8_t> file(first, first + size);
  const ElfReader elf(file, name);
  if (elf.flags() != kContainerVersion) {
    throw Error(fmt::format("{}: container version {}, this software knows {}", name, elf.flags(),
                            kContainerVersion));
  }
  const std::vector<uint8_t> check_bytes = elf.bytes(kCheck);
  Check check;
  if (check_bytes.size() != sizeof check) {
    throw Error(fmt::format("{}: section {} has {} bytes instead of {}", name, kCheck, check_bytes.size(),
                            sizeof check));
  }
  std::memcpy(&check, check_bytes.data(), sizeof check);
  if (check.size != file.size()) {
    throw Error(fmt::format("{}: has {} bytes, but was written with {}", name, file.size(), check.size));
  }
  std::vector<std::vector<uint8_t>> payload;
  for (size_t i = 0; i < kPayloads; ++i) {
    payload.push_back(elf.bytes(kPayload[i]));
    if (crc_of(payload[i].data(), payload[i].size()) != check.section[i]) {
      throw Error(fmt::format("{}: section {} is damaged (checksum)", name, kPayload[i]));
    }
  }
  if (crc_of_file(file, elf.offset(kCheck) + offsetof(Check, file)) != check.file) {
    throw Error(fmt::format("{}: is damaged outside the sections' contents (checksum)", name));
  }
  ProgramParts parts;
  parts.config = payload[0];
  parts.arguments = arguments_from(TextSection(name, kArgs, payload[1]));
  parts.units = units_from(TextSection(name, kUnits, payload[2]));
  routes_from(TextSection(name, kRoutes, payload[3]), &parts);
  Shape shape;
  parts.info = info_from(TextSection(name, kInfo, payload[4]), &shape);
  Program program(std::move(parts), name);
  if (!(shape == program.shape())) {
    throw Error(fmt::format("{}: {} and {} disagree about the tile's shape", name, kInfo, kConfig));
  }
  return program;
}

std::vector<uint8_t> Program::serialize() const {
  const std::vector<uint8_t> payload[kPayloads] = {
      parts_.config, bytes_of(arguments_to_text(parts_.arguments)), bytes_of(units_to_text(parts_.units)),
      bytes_of(routes_to_text(parts_.routes, parts_.tokens)), bytes_of(info_to_text(parts_.info, shape()))};
  Check check{};
  std::vector<std::pair<const char*, std::vector<uint8_t>>> sections;
  for (size_t i = 0; i < kPayloads; ++i) {
    check.section[i] = crc_of(payload[i].data(), payload[i].size());
    sections.emplace_back(kPayload[i], payload[i]);
  }
  sections.emplace_back(kCheck, std::vector<uint8_t>(sizeof check));
  std::vector<uint8_t> file = write_elf(std::move(sections));
  const std::string name = "the container";
  const size_t at = ElfReader(file, name).offset(kCheck);
  check.size = static_cast<uint32_t>(file.size());
  std::memcpy(file.data() + at, &check, sizeof check);
  check.file = crc_of_file(file, at + offsetof(Check, file));
  std::memcpy(file.data() + at, &check, sizeof check);
  return file;
}

void Program::save(const std::string& path) const {
  const std::vector<uint8_t> bytes = serialize();
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw Error(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
}

std::vector<rdu_argument_tuple> Program::make_tuples(const std::map<std::string, uint64_t>& values) const {
  const std::string& kernel = parts_.info.kernel;
  for (const auto& given : values) {
    const bool known = std::any_of(parts_.arguments.begin(), parts_.arguments.end(),
                                   [&](const Argument& a) { return a.name == given.first; });
    if (known) continue;
    std::string names;
    for (const Argument& a : parts_.arguments) names += (names.empty() ? "" : ", ") + a.name;
    throw Error(fmt::format("kernel '{}' has no argument '{}' (it has: {})", kernel, given.first,
                            names.empty() ? "none" : names));
  }
  std::vector<rdu_argument_tuple> tuples;
  for (const Argument& a : parts_.arguments) {
    const auto given = values.find(a.name);
    if (given == values.end()) {
      throw Error(fmt::format("kernel '{}': argument '{}' is missing ({})", kernel, a.name, a.description));
    }
    const uint64_t value = given->second;
    const std::string who = fmt::format("kernel '{}': argument '{}' = {}", kernel, a.name, value);
    if (value < a.minimum || value > a.maximum) {
      throw Error(fmt::format("{} is out of range ({} to {})", who, a.minimum, a.maximum));
    }
    if (value % a.multiple != 0) throw Error(fmt::format("{} is not a multiple of {}", who, a.multiple));
    for (const Fixup& f : a.fixups) {
      uint64_t result;
      if (!f.apply(value, &result)) throw Error(who + " is too large");
      if (f.count == 1 && result > 0xffffffffu) {
        throw Error(fmt::format("{} is too large for {}", who, unit_text(f.unit)));
      }
      tuples.push_back({f.unit, f.word, f.count, result});
    }
  }
  return tuples;
}

}  // namespace rdu::compiler
