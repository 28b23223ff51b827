#include "pcie/record/recording.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace rdu::pcie::record {
namespace {

using vfio_user::Request;
using Bytes = std::vector<uint8_t>;

constexpr char kMagic[8] = {'R', 'D', 'U', '-', 'V', 'P', 'R', '\n'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kMostHeader = 1u << 20;
constexpr uint32_t kChunkMark = 0x4b4e4843;  // "CHNK"
constexpr size_t kChunkHead = 16;
/// A chunk is closed when it has that many bytes; the last record may be larger than all others.
constexpr size_t kChunk = 256u << 10;
constexpr size_t kMostChunk = 64u << 20;
/// Fast, and close to the best for data like register accesses.
constexpr int kLevel = 3;

void put32(Bytes& out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

uint32_t get32(const uint8_t* from) {
  return from[0] | from[1] << 8 | from[2] << 16 | static_cast<uint32_t>(from[3]) << 24;
}

uint32_t checksum(const uint8_t* data, size_t size) {
  return static_cast<uint32_t>(crc32(0, data, static_cast<uInt>(size)));
}

/// Appends the fields of a record: integers in LEB128, byte strings with their length in front.
class Encoder {
 public:
  explicit Encoder(Bytes& out) : out_(out) {}
  void byte(uint8_t value) { out_.push_back(value); }
  void integer(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<uint8_t>(value | 0x80));
    out_.push_back(static_cast<uint8_t>(value));
  }
  void word(uint64_t value) {
    for (int i = 0; i < 8; ++i) out_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void bytes(const void* data, size_t size) {
    integer(size);
    const auto* from = static_cast<const uint8_t*>(data);
    out_.insert(out_.end(), from, from + size);
  }
  void bytes(const Bytes& data) { bytes(data.data(), data.size()); }

 private:
  Bytes& out_;
};

struct Malformed {
  const char* why;
};

/// Takes them out again; throws Malformed.
class Decoder {
 public:
  Decoder(const Bytes& in, size_t at) : in_(in), at_(at) {}
  size_t at() const { return at_; }
  uint8_t byte() {
    need(1);
    return in_[at_++];
  }
  bool flag() {
    const uint8_t value = byte();
    if (value > 1) throw Malformed{"a flag is neither 0 nor 1"};
    return value != 0;
  }
  uint64_t integer() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t part = byte();
      if (shift == 63 && part > 1) break;
      value |= static_cast<uint64_t>(part & 0x7f) << shift;
      if (!(part & 0x80)) return value;
    }
    throw Malformed{"an integer has more than 64 bits"};
  }
  uint32_t integer32() {
    const uint64_t value = integer();
    if (value > ~uint32_t{0}) throw Malformed{"an integer has more than 32 bits"};
    return static_cast<uint32_t>(value);
  }
  int error() {
    const uint64_t value = integer();
    if (value > 4095) throw Malformed{"an error is no errno value"};
    return static_cast<int>(value);
  }
  uint64_t word() {
    need(8);
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= static_cast<uint64_t>(in_[at_++]) << (8 * i);
    return value;
  }
  Bytes bytes() {
    const uint64_t size = integer();
    need(size);
    const auto from = in_.begin() + static_cast<std::ptrdiff_t>(at_);
    at_ += size;
    return Bytes(from, from + static_cast<std::ptrdiff_t>(size));
  }

 private:
  void need(uint64_t size) const {
    if (size > in_.size() - at_) throw Malformed{"a record runs beyond its chunk"};
  }

  const Bytes& in_;
  size_t at_;
};

void encode_request(Encoder& out, const Record& record) {
  const Request::Content& r = record.request;
  out.byte(static_cast<uint8_t>(r.kind));
  switch (r.kind) {
    case Request::Kind::kRegionRead:
    case Request::Kind::kRegionWrite:
      out.integer(r.region);
      out.integer(r.offset);
      if (r.kind == Request::Kind::kRegionRead) {
        out.integer(r.size);
      } else {
        out.bytes(r.data);
      }
      break;
    case Request::Kind::kDmaMap:
      out.integer(r.offset);
      [[fallthrough]];
    case Request::Kind::kDmaUnmap:
      out.integer(r.iova);
      out.integer(r.length);
      out.integer(r.flags);
      break;
    case Request::Kind::kSetIrqs:
      out.integer(r.region);
      out.integer(r.flags);
      out.integer(r.start);
      out.integer(r.size);
      out.bytes(r.data);
      out.bytes(record.descriptors);
      break;
    case Request::Kind::kReset:
    case Request::Kind::kConnect:
    case Request::Kind::kDisconnect:
      break;
  }
}

void decode_request(Decoder& in, Record& record) {
  Request::Content& r = record.request;
  r.number = record.number;
  const uint8_t kind = in.byte();
  if (kind > static_cast<uint8_t>(Request::Kind::kDisconnect)) throw Malformed{"an unknown kind of request"};
  r.kind = static_cast<Request::Kind>(kind);
  switch (r.kind) {
    case Request::Kind::kRegionRead:
    case Request::Kind::kRegionWrite:
      r.region = in.integer32();
      r.offset = in.integer();
      if (r.kind == Request::Kind::kRegionRead) {
        r.size = in.integer32();
        if (r.size > kMostChunk) throw Malformed{"a read is too large"};
      } else {
        r.data = in.bytes();
        r.size = static_cast<uint32_t>(r.data.size());
      }
      if (r.size == 0) throw Malformed{"an access to no byte"};
      break;
    case Request::Kind::kDmaMap:
      r.offset = in.integer();
      [[fallthrough]];
    case Request::Kind::kDmaUnmap:
      r.iova = in.integer();
      r.length = in.integer();
      r.flags = in.integer32();
      break;
    case Request::Kind::kSetIrqs:
      r.region = in.integer32();
      r.flags = in.integer32();
      r.start = in.integer32();
      r.size = in.integer32();
      r.data = in.bytes();
      record.descriptors = in.bytes();
      break;
    case Request::Kind::kReset:
    case Request::Kind::kConnect:
    case Request::Kind::kDisconnect:
      break;
  }
}

Bytes read_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) throw RecordingError(fmt::format("{}: {}", path, std::strerror(errno)));
  Bytes bytes;
  uint8_t part[65536];
  size_t got;
  while ((got = std::fread(part, 1, sizeof part, file)) > 0) bytes.insert(bytes.end(), part, part + got);
  const int error = std::ferror(file) ? errno : 0;
  std::fclose(file);
  if (error) throw RecordingError(fmt::format("{}: {}", path, std::strerror(error)));
  return bytes;
}

}  // namespace

// --- writing
// -------------------------------------------------------------------------------------------------------

struct RecordingWriter::Stream {
  std::FILE* file = nullptr;
  ZSTD_CStream* zstd = nullptr;
  Bytes plain;
  Bytes packed;
  uint64_t time = 0;
  uint64_t number = 0;

  ~Stream() {
    if (file) std::fclose(file);
    ZSTD_freeCStream(zstd);
  }
};

RecordingWriter::RecordingWriter(const std::string& path, const std::string& header)
    : path_(path), stream_(std::make_unique<Stream>()) {
  stream_->file = std::fopen(path.c_str(), "wb");
  if (!stream_->file) throw RecordingError(fmt::format("{}: {}", path, std::strerror(errno)));
  stream_->zstd = ZSTD_createCStream();
  if (!stream_->zstd) throw std::bad_alloc();
  ZSTD_initCStream(stream_->zstd, kLevel);
  Bytes head(kMagic, kMagic + sizeof kMagic);
  put32(head, kVersion);
  put32(head, static_cast<uint32_t>(header.size()));
  head.insert(head.end(), header.begin(), header.end());
  put32(head, checksum(head.data(), head.size()));
  if (std::fwrite(head.data(), 1, head.size(), stream_->file) != head.size() || std::fflush(stream_->file))
    throw RecordingError(fmt::format("{}: {}", path, std::strerror(errno)));
}

RecordingWriter::~RecordingWriter() {
  try {
    flush();
  } catch (const RecordingError&) {
  }
}

void RecordingWriter::write(const Record& record) {
  Stream& s = *stream_;
  Encoder out(s.plain);
  out.byte(static_cast<uint8_t>(record.kind));
  out.integer(record.time - s.time);
  s.time = record.time;
  switch (record.kind) {
    case Record::Kind::request:
      out.byte(record.settled);
      out.word(record.hash);
      out.integer(record.request.number - s.number);
      s.number = record.request.number;
      encode_request(out, record);
      break;
    case Record::Kind::answer:
      out.integer(s.number - record.number);
      out.integer(static_cast<uint64_t>(record.error));
      out.bytes(record.data);
      break;
    case Record::Kind::dma_read:
    case Record::Kind::dma_write:
      out.integer(record.at - record.time);
      out.integer(record.address);
      out.integer(record.size);
      out.integer(static_cast<uint64_t>(record.error));
      out.bytes(record.data);
      break;
    case Record::Kind::interrupt:
      out.integer(record.index);
      out.integer(record.vector);
      break;
    case Record::Kind::end:
      out.byte(record.settled);
      out.word(record.hash);
      out.bytes(record.text.data(), record.text.size());
      break;
  }
  if (s.plain.size() >= kChunk) flush();
}

void RecordingWriter::flush() {
  Stream& s = *stream_;
  if (s.plain.empty()) return;
  // One stream runs through all chunks, so that small ones are packed well, too; each ends where all that was
  // put in can be taken out.
  s.packed.clear();
  ZSTD_inBuffer in = {s.plain.data(), s.plain.size(), 0};
  for (size_t left = 1; left > 0;) {
    const size_t before = s.packed.size();
    s.packed.resize(before + ZSTD_CStreamOutSize());
    ZSTD_outBuffer out = {s.packed.data() + before, s.packed.size() - before, 0};
    left = ZSTD_compressStream2(s.zstd, &out, &in, ZSTD_e_flush);
    if (ZSTD_isError(left)) throw RecordingError(fmt::format("{}: {}", path_, ZSTD_getErrorName(left)));
    s.packed.resize(before + out.pos);
  }
  Bytes head;
  put32(head, kChunkMark);
  put32(head, static_cast<uint32_t>(s.packed.size()));
  put32(head, static_cast<uint32_t>(s.plain.size()));
  put32(head, checksum(s.packed.data(), s.packed.size()));
  s.plain.clear();
  if (std::fwrite(head.data(), 1, head.size(), s.file) != head.size() ||
      std::fwrite(s.packed.data(), 1, s.packed.size(), s.file) != s.packed.size() || std::fflush(s.file))
    throw RecordingError(fmt::format("{}: {}", path_, std::strerror(errno)));
}

// --- reading
// -------------------------------------------------------------------------------------------------------

struct RecordingReader::Stream {
  Bytes file;
  size_t offset = 0;  ///< of what has not been read
  ZSTD_DStream* zstd = ZSTD_createDStream();
  Bytes plain;
  size_t taken = 0;
  size_t chunk = 0;  ///< where the present one begins

  ~Stream() { ZSTD_freeDStream(zstd); }
};

RecordingReader::RecordingReader(const std::string& path) : path_(path) {
  begin(read_file(path));
}

RecordingReader::RecordingReader(const std::string& name, Bytes bytes) : path_(name) {
  begin(std::move(bytes));
}

RecordingReader::~RecordingReader() = default;

void RecordingReader::begin(Bytes bytes) {
  const auto refuse = [this](const std::string& why) {
    throw RecordingError(fmt::format("{}: {}", path_, why));
  };
  constexpr size_t kHead = sizeof kMagic + 8;
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    refuse("is no recording of rduvp");
  if (bytes.size() < kHead) refuse("is cut off in its header");
  const uint32_t version = get32(&bytes[sizeof kMagic]);
  if (version != kVersion)
    refuse(fmt::format("is a recording of version {}; this program reads version {}", version, kVersion));
  const uint32_t size = get32(&bytes[sizeof kMagic + 4]);
  if (size > kMostHeader) refuse("its header is damaged: its length is impossible");
  if (bytes.size() < kHead + size + 4) refuse("is cut off in its header");
  if (checksum(bytes.data(), kHead + size) != get32(&bytes[kHead + size]))
    refuse("its header is damaged: the checksum is wrong");
  header_.assign(bytes.begin() + kHead, bytes.begin() + kHead + size);
  stream_ = std::make_unique<Stream>();
  if (!stream_->zstd) throw std::bad_alloc();
  ZSTD_initDStream(stream_->zstd);
  stream_->file = std::move(bytes);
  stream_->offset = kHead + size + 4;
}

bool RecordingReader::stop(const std::string& why) {
  damage_ = fmt::format("{}: {}", path_, why);
  return false;
}

bool RecordingReader::next_chunk() {
  Stream& s = *stream_;
  const size_t left = s.file.size() - s.offset;
  if (left == 0)
    return stop(fmt::format(
        "ends at byte {} without an end: the recorder was stopped, or the file was cut off", s.offset));
  if (left < kChunkHead) return stop(fmt::format("is cut off at byte {}", s.file.size()));
  const uint8_t* head = &s.file[s.offset];
  const uint32_t packed = get32(head + 4), plain = get32(head + 8);
  if (get32(head) != kChunkMark || plain > kMostChunk || plain == 0)
    return stop(fmt::format("is damaged at byte {}: no chunk begins there", s.offset));
  if (packed > left - kChunkHead) return stop(fmt::format("is cut off at byte {}", s.file.size()));
  if (checksum(head + kChunkHead, packed) != get32(head + 12))
    return stop(fmt::format("is damaged: the checksum of the chunk at byte {} is wrong", s.offset));
  s.plain.clear();
  s.taken = 0;
  ZSTD_inBuffer in = {head + kChunkHead, packed, 0};
  for (;;) {
    const size_t before = s.plain.size();
    s.plain.resize(std::min<size_t>(before + ZSTD_DStreamOutSize(), plain + size_t{1}));
    ZSTD_outBuffer out = {s.plain.data() + before, s.plain.size() - before, 0};
    const size_t result = ZSTD_decompressStream(s.zstd, &out, &in);
    const bool is_full = out.pos == out.size;
    s.plain.resize(before + out.pos);
    if (ZSTD_isError(result) || s.plain.size() > plain)
      return stop(fmt::format("is damaged: the chunk at byte {} cannot be unpacked", s.offset));
    if (in.pos == in.size && !is_full) break;
    if (out.pos == 0 && in.pos < in.size)
      return stop(fmt::format("is damaged: the chunk at byte {} cannot be unpacked", s.offset));
  }
  if (s.plain.size() != plain)
    return stop(fmt::format("is damaged: the chunk at byte {} has {} bytes instead of {}", s.offset,
                            s.plain.size(), plain));
  s.chunk = s.offset;
  s.offset += kChunkHead + packed;
  return true;
}

std::optional<Record> RecordingReader::read() {
  Stream& s = *stream_;
  if (ended_ || !damage_.empty()) return std::nullopt;
  if (s.taken == s.plain.size() && !next_chunk()) return std::nullopt;
  Record record;
  try {
    Decoder in(s.plain, s.taken);
    const uint8_t kind = in.byte();
    if (kind < static_cast<uint8_t>(Record::Kind::request) || kind > static_cast<uint8_t>(Record::Kind::end))
      throw Malformed{"an unknown kind of record"};
    record.kind = static_cast<Record::Kind>(kind);
    const uint64_t later = in.integer();
    if (later > ~uint64_t{1} - time_) throw Malformed{"time runs over"};
    record.time = time_ + later;
    switch (record.kind) {
      case Record::Kind::request:
        record.settled = in.flag();
        record.hash = in.word();
        record.number = number_ + in.integer();
        decode_request(in, record);
        number_ = record.number;
        break;
      case Record::Kind::answer:
        record.number = number_ - in.integer();
        record.error = in.error();
        record.data = in.bytes();
        break;
      case Record::Kind::dma_read:
      case Record::Kind::dma_write:
        record.at = record.time + in.integer();
        record.address = in.integer();
        record.size = in.integer();
        record.error = in.error();
        record.data = in.bytes();
        if (!record.data.empty() && record.data.size() != record.size)
          throw Malformed{"a copy has not the bytes that it says"};
        if (record.data.empty() && record.size != 0 && record.error == 0)
          throw Malformed{"a copy that went well has no data"};
        break;
      case Record::Kind::interrupt:
        record.index = in.integer32();
        record.vector = in.integer32();
        break;
      case Record::Kind::end: {
        record.settled = in.flag();
        record.hash = in.word();
        const Bytes text = in.bytes();
        record.text.assign(text.begin(), text.end());
        ended_ = true;
        break;
      }
    }
    s.taken = in.at();
  } catch (const Malformed& error) {
    stop(fmt::format("is damaged in the chunk at byte {}: {}", s.chunk, error.why));
    return std::nullopt;
  }
  time_ = record.time;
  return record;
}

}  // namespace rdu::pcie::record
