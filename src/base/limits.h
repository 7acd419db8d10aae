// Every limit, once, with its reason. What depends on the memory budget is derived here too.
#ifndef TCSYNC_SRC_BASE_LIMITS_H_
#define TCSYNC_SRC_BASE_LIMITS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "tcsync/options.h"

namespace tcsync::base {

// Below this, RocksDB's fixed costs (threads, table readers, a memtable that is worth flushing)
// leave nothing to share out.
inline constexpr int64_t kMemoryBudgetBytesMin = int64_t{16} << 20;

// The reference server's limit on a body; no real client sends more (docs/protocol.md).
inline constexpr int64_t kBodyBytesCeiling = int64_t{100} << 20;

// A day: longer is a way of saying "never", and keeps the arithmetic on deadlines far from
// overflow.
inline constexpr int64_t kTimeoutMsMax = 86'400'000;

// A snapshot is kept only for one of this many latest versions (docs/protocol.md). An older one
// would save a new replica too little.
inline constexpr uint64_t kSnapshotRecentVersionsMax = 5;

// Storage keeps a version's number in the first 48 bits of its version ID.
inline constexpr uint64_t kVersionNumberMax = (uint64_t{1} << 48) - 1;

// A request's head: the request line and all header fields. Real ones take 300 bytes, and proxies
// add as much again.
inline constexpr size_t kRequestHeadBytesMax = 8192;

// The extensions of all chunks of a chunked body, and its trailers. Nobody has a use for either
// here, and known clients send neither.
inline constexpr uint32_t kChunkExtensionBytesMax = 4096;
inline constexpr uint32_t kTrailerBytesMax = 4096;

// What one event loop reads from a socket at a time: one buffer for each loop, not each connection.
inline constexpr size_t kReadBufferBytes = 64 * 1024;

// What is read at a time while a head may come. Pipelined requests beyond a turn's would have to be
// kept, and a turn's take about as much; one TLS record fits.
inline constexpr size_t kHeadReadBytes = 16 * 1024;

// Requests of one connection that are handled before others have their turn: some 0.3 ms.
inline constexpr int kRequestsPerTurn = 32;

// What an address may use of an event loop's time before it waits for its turn, and how long those
// who wait are served before the loop looks who else has come. A stranger among a hundred addresses
// that keep the loop busy waits for some ten milliseconds.
inline constexpr std::chrono::microseconds kTurnTime{200};
inline constexpr std::chrono::microseconds kTurnsTime{2000};

// Answers of 429 in a row, after which a connection is closed: a client that waits as it is told
// gets one, and one that goes on pays for a new connection.
inline constexpr int kRefusedInARowMax = 16;

// When places run out, an address with at least so many connections, and so many times as many as
// the newcomer's, loses one that is busy, if none is idle. Below that it may be a family.
inline constexpr int64_t kLargeCrowd = 8;
inline constexpr int64_t kLargeCrowdRatio = 4;

// What the kernel may keep of each direction of a connection (Linux takes twice as much for its own
// needs). Small segments need less; at 50 ms there and back it carries 2 MB a second.
inline constexpr int kSocketSendBufferBytes = 64 * 1024;
inline constexpr int kSocketReceiveBufferBytes = 64 * 1024;

// What a connection takes without buffers: itself, its parser, its places in tables, and Asio's
// state of its socket; measured as the growth of resident memory over thousands.
inline constexpr size_t kConnectionBytes = 2560;

// What OpenSSL 3 takes for a session: during the handshake at most (half a ClientHello takes the
// most), and after it, when buffers are gone between records. Measured over hundreds.
inline constexpr size_t kTlsHandshakeBytes = 72 * 1024;
inline constexpr size_t kTlsSessionBytes = 15 * 1024;

// A body of a request that was answered by its head is received and dropped up to this size, so
// that the connection can be kept. Beyond it closing is cheaper.
inline constexpr uint64_t kDroppedBodyBytesMax = 64 * 1024;

// A response body from this size on is sent from where it is instead of being copied behind its
// head.
inline constexpr size_t kSeparateBodyBytesMin = 16 * 1024;

// Responses to pipelined requests are gathered up to this size before they are sent.
inline constexpr size_t kGatheredResponseBytesMax = 64 * 1024;

// After a response that ends a connection early, what the client still sends is read and dropped
// for this long, so that the system does not reset the connection before the client has the
// response.
inline constexpr int64_t kLingerTimeoutMs = 2'000;

// Token buckets of one kind (client IDs, addresses, new clients of an address). One is in memory
// only until its tokens have come back, so there are about (requests in a second) / (tokens in a
// second) of them: at 50,000 requests a second, all by strangers, and the default of 100 tokens a
// second, 500. This many take about 64 bytes each in hash tables: 2 MiB for each of the three
// kinds.
inline constexpr size_t kRateBucketsMax = 32 * 1024;

// Connections beyond connections_max that may exist for being told 503, as far as open files allow
// (a derived connections_max leaves them 1/5); more are closed without a word. Each stays until its
// client has read the answer and closed, so over a network with 50 ms there and back, a thousand of
// them tell 20,000 clients a second. They are small: no request of theirs is read.
inline constexpr int64_t kRefusedConnectionsShare = 4;
inline constexpr int64_t kRefusedConnectionsMin = 64;
inline constexpr int64_t kRefusedConnectionsMax = 1024;

// How long a connection may take to send the first byte of its first request and still not be the
// one that makes room for others. Longer than any network takes, and short enough that connections
// which never send anything cannot lock others out.
inline constexpr int64_t kFirstRequestWaitMs = 1'000;

// Connections that the kernel keeps while they wait to be accepted; Linux caps it at the same
// number. One that finds no place is not told so: its client asks again after a second.
inline constexpr int kAcceptBacklog = 4096;

// Connections that are accepted in a row before the loop turns to others. In a crowd there must be
// more of them than the requests that it serves in a turn, or nobody is refused and all wait in the
// kernel's queue.
inline constexpr int kAcceptsPerTurn = 512;

// How long accepting rests after the system refused it, mostly for want of open files.
inline constexpr int64_t kAcceptRetryMs = 100;

// What the committer puts into one RocksDB write. Large enough that one sync serves hundreds of
// usual segments; small enough to bound the copy that a write batch makes.
inline constexpr size_t kCommitBatchBytesMax = size_t{2} << 20;

// A segment from this size on is kept apart from its version's record. The record stays small, so
// that finding a client's latest version never reads a large segment.
inline constexpr size_t kInlineBytesMax = 16 * 1024;

// What a version, and a client, count beside their sealed bytes towards what all clients together
// may have: keys, records and what the database adds to them, about as much as they take on the
// disk. Without it a million empty versions would count as nothing, and fill it.
inline constexpr uint64_t kVersionRecordBytes = 128;
inline constexpr uint64_t kClientRecordBytes = 256;

// Room on the disk that is kept for making room (storage/rocksdb/reserve.h), beside what opening
// the database again takes: a compaction writes anew what is alive in its tables before the old
// ones go. With much alive in small versions it takes more than this, and then says how much room
// is missing; large versions, which fill disks, and snapshots need none to go...
inline constexpr uint64_t kCompactionRoomBytes = uint64_t{32} << 20;

// ...but on a small disk no more than this share of it.
inline constexpr uint64_t kReserveDiskShare = 8;

// Clients whose removed bytes one compaction makes go, in memory meanwhile; what is left is the
// next one's.
inline constexpr size_t kRemovalsPerCompaction = 16 * 1024;

// What is alive in blob files is moved in steps of about this much, which is the room on the disk
// that a step takes, and what a cancelled compaction has done for nothing at most.
inline constexpr uint64_t kBlobBytesPerStep = uint64_t{64} << 20;

// A blob file becomes no larger, so that a step needs to move no more. (A memtable makes one, too.)
inline constexpr uint64_t kBlobFileBytesMax = uint64_t{32} << 20;

// After versions were removed, blob files are collected only if this share of them is dead: moving
// what is alive costs as much writing as that is long. For a removed client all that is dead goes.
inline constexpr double kBlobGarbageShareCollected = 0.25;

// Directories of backups that the storage remembers, the latest first.
inline constexpr size_t kBackupDirectoriesMax = 16;

// Values from this size on go to blob files, so that compaction does not rewrite them. No record
// with an inline segment gets there.
inline constexpr uint64_t kBlobBytesMin = kInlineBytesMax + 1024;

// The piece in which a large segment or snapshot passes between a socket and the disk, and in which
// it is stored; what is larger than one is never in memory as a whole. A piece is a record and a
// turn of the committer, which cost little beside the bytes from this size on; and the pieces of a
// hundred transfers fit into the memory for bodies.
inline constexpr size_t kPieceBytesMax = 128 * 1024;

// Pieces that the committer puts into one RocksDB write, beside the usual writes of a batch: these
// wait for no more than that, however many large uploads are under way.
inline constexpr size_t kPieceBatchBytesMax = size_t{512} * 1024;

// Large uploads of one client at one time: two computers of a person, each with a version or a
// snapshot, and as many that broke off and have not been noticed yet. Their bytes are on the disk
// before they are anybody's, so that there must not be any number of them.
inline constexpr size_t kUploadsPerClientMax = 4;

// Large bodies, up and down, of one client at one time: a few computers of a person, each with one
// or two. Each takes memory for a few pieces, of which all clients together have a bounded amount
// (TransferShares): with the default budget, for some hundred.
inline constexpr int kLargeTransfersPerClientMax = 8;

// What a check of one client tells of what it found. A client that is damaged as a whole would have
// a sentence for each version, and nobody reads more than the first ones.
inline constexpr size_t kChainProblemsMax = 100;

// Replicas that are at versions which the server does not have, of one client: more computers than
// a person has, and few enough to show.
inline constexpr size_t kReplicasAheadMax = 8;

// Notes of where replicas ended their syncs, one for each client and day, that are kept in memory
// so that the next one which says the same costs nothing; about 3 MB. With more clients at a time,
// notes are written again and again.
inline constexpr size_t kReplicaActivityMax = 32 * 1024;

// Clients with replicas ahead that are kept in memory until they are written, within a minute.
inline constexpr size_t kAheadNotesMax = 1024;

// Notes of which the version must be looked up on the disk first. Replicas end their syncs at the
// latest version, so they are very rare.
inline constexpr size_t kUnresolvedNotesMax = 1024;

// How long what was noted of replicas stays in memory before it is written.
inline constexpr int64_t kNotesFlushMs = 60'000;

// How often a storage looks whether its directory is still in its place, and notes how far what it
// acknowledged goes. Writes that go to a directory that was moved away are acknowledged for that
// long, and damage at the very end of a log that came so soon before a crash is not found.
inline constexpr int64_t kDirectoryWatchMs = 1'000;

// Versions that are removed in one write, which other writes wait for.
inline constexpr uint64_t kRemovedVersionsPerWrite = 1024;

// Told to a client that met a moment's crowding. A batch takes milliseconds; a second is plenty.
inline constexpr int kRetryAfterSeconds = 1;

// Reads that may wait for a thread that reads from the disk. Each is a request of some connection;
// only callers without connections could make more of them than that.
inline constexpr size_t kReadsWaitingMax = 8192;

// How often the engine looks at how full the disk is. Within that time no server can be filled by
// what its bodies in flight may take.
inline constexpr int64_t kUsageIntervalMs = 2'000;

// How often old versions and idle clients are removed, and how long after the start for the first
// time: not while everybody comes back after a restart.
inline constexpr int64_t kRetentionIntervalMs = 6 * 3'600'000;
inline constexpr int64_t kFirstRetentionMs = 10 * 60'000;

// How often it is looked whether removed bytes are still in files, because something else than an
// operator removed them or their compaction was cut short, and how long after the start for the
// first time.
inline constexpr int64_t kCompactionLookMs = 10 * 60'000;
inline constexpr int64_t kFirstCompactionLookMs = 30'000;

// Open files that RocksDB may hold; the rest of the process' limit is for connections.
inline constexpr int kStorageOpenFilesMax = 256;

// Connections with TLS beyond connections_max that may exist for being told 503. A handshake comes
// before that, which costs the server as much time and memory as serving a small request.
inline constexpr int64_t kRefusedTlsConnectionsMax = 64;

// Connections for administration, and as many for metrics, beside those of clients, who cannot take
// their places. An operator's commands and some monitoring programs need a few.
inline constexpr int64_t kOperatorConnectionsMax = 16;
// Those beyond, which may exist for being told 503.
inline constexpr int64_t kRefusedOperatorConnectionsMax = 4;

// Open files beside those of clients' connections and storage: connections for administration and
// metrics, listening sockets, event loops, the log.
inline constexpr int64_t kOtherOpenFiles =
    2 * (kOperatorConnectionsMax + kRefusedOperatorConnectionsMax) + 70;

// The head of a sync server's answer. Real ones take 400 bytes, and proxies add as much again.
inline constexpr uint32_t kRemoteHeadBytesMax = 16 * 1024;

// The body of a sync server's error or of its index page, of which one line is shown. A longer one
// is not read.
inline constexpr uint32_t kRemoteErrorBodyBytesMax = 8 * 1024;

// A connection to a sync server that was idle for longer is not used again: routers forget
// connections without a word, and the next request would wait for its timeout.
inline constexpr int64_t kRemoteIdleMsMax = 15'000;

// How long a health check waits for a write to be durable and read back. A disk that others share
// pauses for some hundred milliseconds; those who ask for the health give up after 5 to 10 seconds.
inline constexpr int64_t kHealthWaitMsMax = 3'000;

// A health check's result answers all who ask within this time, so that strangers, who may ask,
// make one small write a second at most.
inline constexpr int64_t kHealthSharedMs = 1'000;

// While the storage refuses a health check's write as too busy, it is asked again after this long.
inline constexpr int64_t kHealthRetryMs = 100;

// How old the storage's figures may be that a scrape shows. Counting them takes locks that writes
// take as well.
inline constexpr int64_t kStorageStatsSharedMs = 5'000;

// Administration's jobs that are remembered, with those that have ended. More than anybody looks
// at.
inline constexpr size_t kAdminJobsMax = 64;

// A page of administration (an export, an import, a check of chains) ends after about this many
// bytes of history, so that it is a part of the memory budget that nobody notices...
inline constexpr uint64_t kAdminPageBytes = uint64_t{1} << 20;

// ...or after about this long, so that whoever asks can show how far it is and stop.
inline constexpr int64_t kAdminPageMs = 1'000;

// Clients of which an import brings a large version or snapshot over several pages, at one time:
// one for each operator who imports, and those of imports that were stopped. Their pieces are on
// the disk.
inline constexpr size_t kLargeImportsMax = 4;

// Clients in one page of a list, unless another number is asked for, and at most: a client takes
// half a KiB of an answer.
inline constexpr size_t kAdminPageClients = 100;
inline constexpr uint64_t kAdminPageClientsMax = 1'000;
// Versions in one page of a list without their segments, and at most: as many bytes as those.
inline constexpr size_t kAdminPageVersionsMax = 1'000;

// Days on which replicas were seen, in one line of an export: nearly three years, and the line is a
// tenth of a page. Retention does not look back further (replica-seen-days) unless somebody asks it
// to, and then what is older counts for nothing after a move.
inline constexpr size_t kTransferredPositionsMax = 1'000;

// Entries of each ranking of who asks most (src/access/top_talkers.h). A ranking of this many finds
// everybody who makes more than a 64th of the requests, and takes 2 KiB; there are twelve.
inline constexpr size_t kTopTalkersMax = 64;

// A ranking is begun anew after this long, and the one before is kept: who looks sees between one
// and two of them.
inline constexpr int64_t kTopTalkersWindowMs = 300'000;

// An operator's words for a ban or an invite: a line. All of them are kept in memory.
inline constexpr size_t kAdminTextBytesMax = 200;

// The body of an administration request: a page, and within it a line with one version or snapshot
// that was exported as a whole, as earlier releases did it up to their largest body: two thirds of
// the bodies in flight. In base64 it takes 4/3 of its size. Larger ones come in lines of one piece.
constexpr uint64_t AdminBodyBytesMax(uint64_t body_bytes_max, uint64_t bodies_in_flight_bytes_max) {
  const uint64_t whole_bytes_max = bodies_in_flight_bytes_max / 3 * 2;
  const uint64_t line_bytes_max =
      body_bytes_max < whole_bytes_max ? body_bytes_max : whole_bytes_max;
  return 2 * kAdminPageBytes + line_bytes_max / 3 * 4;
}

// With fewer bytes for bodies in flight no large body could be taken.
inline constexpr uint64_t kBodiesInFlightBytesMin = uint64_t{1} << 20;

// What the options mean, with every "derived" filled in. The shares of a budget B:
//   B x 3/8  bodies in flight: small ones whole, and of each larger one a few pieces
//   B x 1/4  memtables: the one being filled, B/16, one being written to disk, one more before
//            writes wait, and room for the last batch of each
//   B x 1/8  block cache
//   B x 1/16 cache of chain heads
//   B x 3/16 connections: their buffers here and in the kernel, TLS, answers that are not taken
// What the process itself takes is beside the budget.
struct Limits {
  explicit Limits(const Options& options);

  uint64_t body_bytes_max;
  uint64_t bodies_in_flight_bytes_max;
  uint64_t memtable_bytes;
  uint64_t block_cache_bytes;
  uint64_t head_cache_bytes;
  int64_t connections_max;
  int64_t connection_bytes_max;
  int64_t refused_connections_max;
  int event_loops;
  int reader_threads;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_LIMITS_H_
