#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "pcie/vfio_user/request.h"

/// The file in which the host boundary is kept: README.md describes its format.
namespace rdu::pcie::record {

/// One thing that crossed the boundary. Times are in picoseconds.
struct Record {
  enum class Kind : uint8_t {
    request = 1,    ///< the host asks; request, settled, hash
    answer = 2,     ///< the device answers; number, error, data (of a read)
    dma_read = 3,   ///< at, address, size, error, data (what the host's memory held)
    dma_write = 4,  ///< at, address, size, error, data
    interrupt = 5,  ///< index, vector
    end = 6,        ///< the run ended in good order; settled, hash, text (why)
  };

  Kind kind = Kind::end;
  uint64_t time = 0;  ///< when it happened; never decreases

  vfio_user::Request::Content request;
  /// What the host sent along with SET_IRQS: a byte a descriptor, 1 for an eventfd.
  std::vector<uint8_t> descriptors;
  bool settled = false;  ///< nothing was left to happen in the device
  uint64_t hash = 0;     ///< the trace hash just before

  uint64_t number = 0;  ///< of the request that is answered
  int error = 0;        ///< errno value, 0: none
  uint64_t at = 0;      ///< of the access at the link; not before `time`
  uint64_t address = 0;
  uint64_t size = 0;
  std::vector<uint8_t> data;
  uint32_t index = 0;
  uint32_t vector = 0;
  std::string text;
};

/// What a file cannot be used for, or from where on it is damaged: the text says why.
class RecordingError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Writes a recording. What flush() has written can be read whatever becomes of this process.
class RecordingWriter {
 public:
  /// Creates or replaces the file. `header`: one line of JSON that the reader gives back. Throws
  /// RecordingError.
  RecordingWriter(const std::string& path, const std::string& header);
  RecordingWriter(const RecordingWriter&) = delete;
  RecordingWriter& operator=(const RecordingWriter&) = delete;
  /// Flushes; errors are lost, so call flush() before.
  ~RecordingWriter();

  /// Throws RecordingError if the file cannot be written.
  void write(const Record& record);
  void flush();

  const std::string& path() const { return path_; }

 private:
  struct Stream;
  std::string path_;
  std::unique_ptr<Stream> stream_;
};

/// Reads a recording.
class RecordingReader {
 public:
  /// Throws RecordingError if it is no recording, of another version, or its header is damaged.
  explicit RecordingReader(const std::string& path);
  /// The same of bytes in memory; `name` stands for the path.
  RecordingReader(const std::string& name, std::vector<uint8_t> bytes);
  RecordingReader(const RecordingReader&) = delete;
  RecordingReader& operator=(const RecordingReader&) = delete;
  ~RecordingReader();

  const std::string& path() const { return path_; }
  const std::string& header() const { return header_; }

  /// The next record; nothing at the end of what can be used. Then damage() is empty if an `end` record was
  /// the last, and else says what is wrong, and at which byte of the file.
  std::optional<Record> read();
  const std::string& damage() const { return damage_; }

 private:
  struct Stream;
  void begin(std::vector<uint8_t> head);
  bool next_chunk();
  bool stop(const std::string& why);

  std::string path_;
  std::string header_;
  std::string damage_;
  bool ended_ = false;
  uint64_t time_ = 0;
  uint64_t number_ = 0;
  std::unique_ptr<Stream> stream_;
};

}  // namespace rdu::pcie::record
