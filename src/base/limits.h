// Every limit, once, with its reason. Limits that depend on the memory budget are derived here too.
#ifndef TCSYNC_SRC_BASE_LIMITS_H_
#define TCSYNC_SRC_BASE_LIMITS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "tcsync/options.h"

namespace tcsync::base {

// Below this, RocksDB's fixed costs (threads, table readers, a memtable that is worth flushing)
// leave nothing to distribute.
inline constexpr int64_t kMemoryBudgetBytesMin = int64_t{16} << 20;

// The reference server's limit on a body; no real client sends more (docs/protocol.md).
inline constexpr int64_t kBodyBytesCeiling = int64_t{100} << 20;

// A day: a longer time means "never", and would bring the arithmetic on deadlines close to
// overflow.
inline constexpr int64_t kTimeoutMsMax = 86'400'000;

// A snapshot is kept only for one of this many latest versions (docs/protocol.md). An older one
// would save a new replica too little.
inline constexpr uint64_t kSnapshotRecentVersionsMax = 5;

// Storage keeps a version's number in the first 48 bits of its version ID.
inline constexpr uint64_t kVersionNumberMax = (uint64_t{1} << 48) - 1;

// The operations of a version that a replica sends, as JSON: TaskChampion cuts there, and servers
// with a limit of their own accept it. One operation may be longer.
inline constexpr size_t kSegmentBytesMax = 1'000'000;

// The JSON of a snapshot, which comes compressed: a snapshot of 100 MiB that an enemy with the
// secret has made could otherwise grow to 100 GB. A task takes about 1 KB.
inline constexpr size_t kSnapshotJsonBytesMax = size_t{1} << 30;

// The versions that a replica receives before it applies them in one transaction, and the time and
// the bytes after which it does so with fewer. One transaction for each would cost a sync of the
// disk each; an interruption loses no more than the last of them.
inline constexpr size_t kReceivedVersionsPerCommit = 1000;
inline constexpr size_t kReceivedBytesPerCommit = size_t{4} << 20;
inline constexpr std::chrono::milliseconds kReceiveTimePerCommit{1000};

// A request's head: the request line and all header fields. Real ones take 300 bytes, and proxies
// add as much again.
inline constexpr size_t kRequestHeadBytesMax = 8192;

// The extensions of all chunks of a chunked body, and its trailers. Neither has a use here, and
// known clients send neither.
inline constexpr uint32_t kChunkExtensionBytesMax = 4096;
inline constexpr uint32_t kTrailerBytesMax = 4096;

// The bytes that an event loop reads from a socket at a time, into one buffer for all connections.
inline constexpr size_t kReadBufferBytes = 64 * 1024;

// The bytes read at a time while a head may arrive. Pipelined requests beyond a turn's would have
// to be kept, and a turn's take about as much; one TLS record fits.
inline constexpr size_t kHeadReadBytes = 16 * 1024;

// Requests of one connection that are handled before others have their turn: some 0.3 ms.
inline constexpr int kRequestsPerTurn = 32;

// The time of an event loop that an address may use before it waits for its turn, and the time for
// which waiting connections are served before the loop looks for new events. A stranger among a
// hundred addresses that keep the loop busy waits for some ten milliseconds.
inline constexpr std::chrono::microseconds kTurnTime{200};
inline constexpr std::chrono::microseconds kTurnsTime{2000};

// Answers of 429 in a row, after which a connection is closed: a client that waits as told gets
// one, and one that continues pays for a new connection.
inline constexpr int kRefusedInARowMax = 16;

// When places run out, an address with at least so many connections, and so many times as many as
// the newcomer's, loses one that is busy, if none is idle. A smaller number may be a family.
inline constexpr int64_t kLargeAddressConnections = 8;
inline constexpr int64_t kLargeAddressRatio = 4;

// The kernel's buffer for each direction of a connection (Linux takes twice as much for its own
// needs). Small segments need less; with a round trip of 50 ms it carries 2 MB a second.
inline constexpr int kSocketSendBufferBytes = 64 * 1024;
inline constexpr int kSocketReceiveBufferBytes = 64 * 1024;

// The memory of a connection without buffers: itself, its parser, its places in tables, and Asio's
// state of its socket; measured as the growth of resident memory over thousands.
inline constexpr size_t kConnectionBytes = 2560;

// OpenSSL 3's memory for a session: the maximum, which is during the handshake (for half a
// ClientHello), and that after it, without buffers between records. Measured over hundreds.
inline constexpr size_t kTlsHandshakeBytes = 72 * 1024;
inline constexpr size_t kTlsSessionBytes = 15 * 1024;

// The body of a request that was answered by its head is received and dropped up to this size, so
// that the connection can be kept. For a larger one, closing is cheaper.
inline constexpr uint64_t kDroppedBodyBytesMax = 64 * 1024;

// A response body from this size on is sent from its place, and is not copied into the buffer of
// its head.
inline constexpr size_t kSeparateBodyBytesMin = 16 * 1024;

// Responses to pipelined requests are gathered up to this size before they are sent.
inline constexpr size_t kGatheredResponseBytesMax = 64 * 1024;

// After a response that ends a connection early, further input of the client is read and dropped
// while it arrives, so that the system does not reset the connection before the client has the
// response: until there was none for this long, and in all for so long. A client that was turned
// away, whose connection takes no place, has only the former.
inline constexpr std::chrono::milliseconds kLingerQuiet{2'000};
inline constexpr std::chrono::milliseconds kLingerTimeout{30'000};

// Token buckets of one kind (client IDs, addresses, new clients of an address). One is in memory
// only until its tokens have come back, so there are about (requests in a second) / (tokens in a
// second) of them: at 50,000 requests a second, all by strangers, and the default of 100 tokens a
// second, 500. This many take about 64 bytes each in hash tables: 2 MiB for each of the three
// kinds.
inline constexpr size_t kRateBucketsMax = 32 * 1024;

// Connections beyond connections_max that are accepted only to be told 503, as far as open files
// allow (a derived connections_max leaves them 1/5); more are closed without an answer. Each stays
// until its client has read the answer and closed, so with a round trip of 50 ms, a thousand of
// them tell 20,000 clients a second. They are small: no request of theirs is read.
inline constexpr int64_t kRefusedConnectionsShare = 4;
inline constexpr int64_t kRefusedConnectionsMin = 64;
inline constexpr int64_t kRefusedConnectionsMax = 1024;

// The time for the first byte of a connection's first request, during which the connection does not
// make room for others. Longer than any network takes, and short enough that connections that never
// send anything cannot lock others out.
inline constexpr int64_t kFirstRequestWaitMs = 1'000;

// Connections that wait in the kernel to be accepted; Linux caps it at the same number. One that
// finds no place is not refused: its client tries again after a second.
inline constexpr int kAcceptBacklog = 4096;

// Connections that are accepted in a row before the loop turns to others. In a crowd there must be
// more of them than the requests that it serves in a turn, or no connection is refused and all wait
// in the kernel's queue.
inline constexpr int kAcceptsPerTurn = 512;

// The pause in accepting after a refusal by the system, usually for lack of open files.
inline constexpr int64_t kAcceptRetryMs = 100;

// The bytes that the committer puts into one RocksDB write. Large enough that one sync serves
// hundreds of usual segments; small enough to bound the copy that a write batch makes.
inline constexpr size_t kCommitBatchBytesMax = size_t{2} << 20;

// A segment from this size on is kept apart from its version's record. The record stays small, so
// that finding a client's latest version never reads a large segment.
inline constexpr size_t kInlineBytesMax = 16 * 1024;

// The allowance for a version, and for a client, beside their sealed bytes in the total of all
// clients: keys, records and the database's overhead, about as much as they take on the disk.
// Without it a million empty versions would count as nothing, and fill it.
inline constexpr uint64_t kVersionRecordBytes = 128;
inline constexpr uint64_t kClientRecordBytes = 256;

// Disk space reserved for making room (storage/rocksdb/reserve.h), beside that for opening the
// database again: a compaction rewrites the live data of its tables before the old ones are
// removed. With much live data in small versions it takes more than this, and then reports the
// missing space; large versions, which fill disks, and snapshots need none for their removal...
inline constexpr uint64_t kCompactionRoomBytes = uint64_t{32} << 20;

// ...but on a small disk no more than this share of it.
inline constexpr uint64_t kReserveDiskShare = 8;

// Clients whose removed bytes one compaction erases, in memory meanwhile; the next one erases the
// rest.
inline constexpr size_t kRemovalsPerCompaction = 16 * 1024;

// Live data in blob files is moved in steps of about this much, which is the disk space that a step
// takes, and the most that a cancelled compaction has done in vain.
inline constexpr uint64_t kBlobBytesPerStep = uint64_t{64} << 20;

// The maximum of a blob file, so that a step need not move more. (A memtable makes one, too.)
inline constexpr uint64_t kBlobFileBytesMax = uint64_t{32} << 20;

// After the removal of versions, blob files are collected only if this share of them is dead:
// moving live data costs its length in writes. For a removed client all dead data is collected.
inline constexpr double kBlobGarbageShareCollected = 0.25;

// Directories of backups that the storage remembers, the latest first.
inline constexpr size_t kBackupDirectoriesMax = 16;

// Values from this size on go to blob files, so that compaction does not rewrite them. No record
// with an inline segment gets there.
inline constexpr uint64_t kBlobBytesMin = kInlineBytesMax + 1024;

// The piece in which a large segment or snapshot passes between a socket and the disk, and in which
// it is stored; a larger value is never in memory as a whole. A piece costs a record and a turn of
// the committer, which is little beside the bytes from this size on; and the pieces of a hundred
// transfers fit into the memory for bodies.
inline constexpr size_t kPieceBytesMax = 128 * 1024;

// Pieces that the committer puts into one RocksDB write, beside the usual writes of a batch, which
// wait for no more than that, however many large uploads are in progress.
inline constexpr size_t kPieceBatchBytesMax = size_t{512} * 1024;

// Large uploads of one client at one time: two computers of a person, each with a version or a
// snapshot, and as many interrupted ones that have not been noticed yet. Their bytes are on the
// disk before they belong to a version, so their number must be bounded.
inline constexpr size_t kUploadsPerClientMax = 4;

// Large bodies, up and down, of one client at one time: a few computers of a person, each with one
// or two. Each takes memory for a few pieces, of which all clients together have a bounded amount
// (TransferShares): with the default budget, for some hundred.
inline constexpr int kLargeTransfersPerClientMax = 8;

// Problems in the report of one client's check. A client that is damaged as a whole would have a
// sentence for each version, and nobody reads more than the first ones.
inline constexpr size_t kChainProblemsMax = 100;

// Replicas of one client at versions that the server does not have: more computers than a person
// has, and few enough to show.
inline constexpr size_t kReplicasAheadMax = 8;

// Notes of the positions at which replicas ended their syncs, one for each client and day, in
// memory so that a repeated note costs nothing; about 3 MB. With more clients at a time, notes are
// written again and again.
inline constexpr size_t kReplicaActivityMax = 32 * 1024;

// Devices of one client with a token of their own: more computers than a person has, and few enough
// for one record.
inline constexpr size_t kDevicesMax = 32;
// The bytes of a device's sealed label: a few words, and what sealing adds.
inline constexpr size_t kDeviceLabelBytesMax = 512;

// Notes of the devices whose requests came today, one for each client, in memory so that a repeated
// note costs nothing; about 3 MB. The requests of further clients leave no note that day.
inline constexpr size_t kDeviceNotesMax = 32 * 1024;
// Different tokens that are noted for a client in a day. Those of no device count as well, until
// storage is asked.
inline constexpr size_t kNotedTokensMax = 2 * kDevicesMax;
// The clients whose notes are written at one time, once in kDeviceNotesMs, so that the first minute
// of a day does not occupy the database.
inline constexpr size_t kDeviceNotesAtOnce = 64;
inline constexpr int64_t kDeviceNotesMs = 1'000;

// Requests about devices that wait for storage; further ones are refused. Each takes a few
// milliseconds, or up to the longest wait for a database that is away.
inline constexpr int kDeviceRequestsWaitingMax = 64;

// Clients with replicas ahead that are kept in memory until they are written, within a minute.
inline constexpr size_t kAheadNotesMax = 1024;

// Notes whose version must first be looked up on the disk. Replicas end their syncs at the latest
// version, so they are very rare.
inline constexpr size_t kUnresolvedNotesMax = 1024;

// The time for which notes of replicas stay in memory before they are written.
inline constexpr int64_t kNotesFlushMs = 60'000;

// The interval in which a storage checks the place of its directory, and notes the extent of its
// acknowledged writes. Writes to a directory that was moved away are acknowledged for that long,
// and damage at the very end of a log within that time before a crash is not found.
inline constexpr int64_t kDirectoryWatchMs = 1'000;

// Versions in one answer with many of them (docs/protocol.md, "Many versions in one answer"),
// beside the bound of one piece on its bytes. Those that memory has are read in one go on an event
// loop, at a few microseconds each, and other connections wait for no more than that. Round trips
// of 50 ms are a small part of the time that so many take to pass through a socket's buffer.
inline constexpr size_t kVersionsPerAnswerMax = 256;

// The longest body of such an answer that the protocol allows. Our server's are an eighth of it.
inline constexpr int64_t kVersionsAnswerBytesMax = int64_t{1} << 20;

// Requests of one client that wait for its next version at one time: one for each computer of a
// person, and as many whose end has not been noticed yet. A new version answers them all, on the
// thread that wrote it.
inline constexpr size_t kLongPollsPerClientMax = 32;

// The interval in which requests are answered that have waited for as long as they may.
inline constexpr int64_t kLongPollCheckMs = 1'000;

// The interval in which a server learns of the changes of others over the same database: bans act
// everywhere within two seconds, and news reach computers that wait elsewhere.
inline constexpr int64_t kOthersChangesMs = 1'000;
// The clients whose latest versions are asked for in one query.
inline constexpr size_t kLatestVersionsPerQuery = 1'000;

// Versions that are removed in one write, which other writes wait for.
inline constexpr uint64_t kRemovedVersionsPerWrite = 1024;

// Told to a client in a moment of overload. A batch takes milliseconds; a second is plenty.
inline constexpr int kRetryAfterSeconds = 1;

// Reads that may wait for a thread that reads from the disk. Each is a request of some connection;
// only callers without connections could make more of them than that.
inline constexpr size_t kReadsWaitingMax = 8192;

// The appends that one statement makes in PostgreSQL: more than the connections of a busy server
// have waiting, and few enough that the first does not wait for long.
inline constexpr size_t kAppendsPerBatchMax = 256;

// The time that one PostgreSQL server has to accept a connection, so that another one can be tried
// while a request waits.
inline constexpr int64_t kDatabaseConnectMs = 1'500;

// The time after which a connection to PostgreSQL is given up on which sent bytes arrive no more.
inline constexpr int64_t kDatabaseSilenceMs = 10'000;

// The interval in which a PostgreSQL server is tried again that could not be used.
inline constexpr int64_t kDatabaseRetryMs = 250;

// The time for an operator's change of the tables.
inline constexpr int64_t kDatabaseUpgradeMs = 60'000;

// The rows among which the totals of a PostgreSQL database are spread, so that transactions do not
// wait for each other there.
inline constexpr uint64_t kUsageSlots = 16;

// The age of the last piece of an upload whose server is taken to have ended: longer than a request
// may pause.
inline constexpr int64_t kAbandonedUploadSeconds = 3'600;

// The interval in which the engine checks how full the disk is. Within that time the bodies in
// flight cannot fill a server.
inline constexpr int64_t kUsageIntervalMs = 2'000;

// The interval in which old versions and idle clients are removed, and the delay after the start:
// not while all clients return after a restart.
inline constexpr int64_t kRetentionIntervalMs = 6 * 3'600'000;
inline constexpr int64_t kFirstRetentionMs = 10 * 60'000;

// The interval in which the engine looks for removed bytes in files, and the delay of the first
// look after the start. There are such bytes after a removal that was not an operator's, and after
// an interrupted compaction.
inline constexpr int64_t kCompactionCheckMs = 10 * 60'000;
inline constexpr int64_t kFirstCompactionCheckMs = 30'000;

// Open files that RocksDB may hold; the rest of the process' limit is for connections.
inline constexpr int kStorageOpenFilesMax = 256;

// Connections with TLS beyond connections_max that are accepted only to be told 503. A handshake
// comes before that, which costs the server as much time and memory as serving a small request.
inline constexpr int64_t kRefusedTlsConnectionsMax = 64;

// Connections for administration, and as many for metrics, beside those of clients, who cannot take
// their places. An operator's commands and some monitoring programs need a few.
inline constexpr int64_t kOperatorConnectionsMax = 16;
// Further ones, which are accepted only to be told 503.
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

// A connection to a sync server that was idle for longer is not reused: routers drop connections
// silently, and the next request would wait for its timeout.
inline constexpr int64_t kRemoteIdleMsMax = 15'000;

// The server's end of a connection that was idle shows within a round trip of the next request. An
// end that comes later has another reason, and the request is not repeated.
inline constexpr int64_t kRemoteIdleEndMsMax = 2'000;

// The longest wait for a client's next version. Proxies and routers end much shorter ones.
inline constexpr int64_t kRemoteWaitSecondsMax = 3'600;

// The time in which a health check's write must be durable and read back. A shared disk pauses for
// some hundred milliseconds; monitors give up after 5 to 10 seconds.
inline constexpr int64_t kHealthWaitMsMax = 3'000;

// A health check's result answers all requests within this time, so that strangers, who may ask,
// cause one small write a second at most.
inline constexpr int64_t kHealthSharedMs = 1'000;

// The delay before another try while the storage refuses a health check's write as too busy.
inline constexpr int64_t kHealthRetryMs = 100;

// The maximum age of the storage's figures in a scrape. Counting them takes locks that writes take
// as well.
inline constexpr int64_t kStorageStatsSharedMs = 5'000;

// Jobs of the administration that are kept in memory, including completed ones. More than anybody
// looks at.
inline constexpr size_t kAdminJobsMax = 64;

// A page of administration (an export, an import, a check of chains) ends after about this many
// bytes of history, a negligible part of the memory budget...
inline constexpr uint64_t kAdminPageBytes = uint64_t{1} << 20;

// ...or after about this long, so that a client can show progress and stop.
inline constexpr int64_t kAdminPageMs = 1'000;

// Clients for which an import transfers a large version or snapshot over several pages, at one
// time: one for each importing operator, and those of interrupted imports. Their pieces are on the
// disk.
inline constexpr size_t kLargeImportsMax = 4;

// Clients in one page of a list: the default, and the maximum. A client takes half a KiB of an
// answer.
inline constexpr size_t kAdminPageClients = 100;
inline constexpr uint64_t kAdminPageClientsMax = 1'000;
// Versions in one page of a list without their segments, by default and at most: as many bytes.
inline constexpr size_t kAdminPageVersionsMax = 1'000;

// Days on which replicas were seen, in one line of an export: nearly three years, and the line is a
// tenth of a page. By default, retention does not look back further (replica-seen-days); with a
// larger setting, older days are lost in a move.
inline constexpr size_t kTransferredPositionsMax = 1'000;

// Entries of each ranking of the busiest (src/access/top_talkers.h). A ranking of this many finds
// all with more than a 64th of the requests, and takes 2 KiB; there are twelve.
inline constexpr size_t kTopTalkersMax = 64;

// A ranking is restarted after this long, and the previous one is kept: a report covers between one
// and two of them.
inline constexpr int64_t kTopTalkersWindowMs = 300'000;

// An operator's text for a ban or an invite: a line. All of them are kept in memory.
inline constexpr size_t kAdminTextBytesMax = 200;

// An operator's text on the page at /: a line. The page stays within 8 KiB with four of them whose
// characters are ordinary, and within 12 KiB if each has to be escaped. The wizard takes a URL of
// this length with a token behind it.
inline constexpr size_t kPageTextBytesMax = 150;

// The body of an administration request: a page, and within it a line with one version or snapshot
// that was exported as a whole, as earlier releases did up to their largest body: two thirds of the
// bodies in flight. In base64 it takes 4/3 of its size. Larger ones come in lines of one piece.
constexpr uint64_t AdminBodyBytesMax(uint64_t body_bytes_max, uint64_t bodies_in_flight_bytes_max) {
  const uint64_t whole_bytes_max = bodies_in_flight_bytes_max / 3 * 2;
  const uint64_t line_bytes_max =
      body_bytes_max < whole_bytes_max ? body_bytes_max : whole_bytes_max;
  return 2 * kAdminPageBytes + line_bytes_max / 3 * 4;
}

// With fewer bytes for bodies in flight no large body could be taken.
inline constexpr uint64_t kBodiesInFlightBytesMin = uint64_t{1} << 20;

// The values of the options, with every "derived" filled in. The shares of a budget B:
//   B x 3/8  bodies in flight: small ones whole, and of each larger one a few pieces
//   B x 1/4  memtables: the one being filled, B/16, one being written to disk, one more before
//            writes wait, and room for the last batch of each
//   B x 1/8  block cache
//   B x 1/16 cache of chain heads
//   B x 3/16 connections: their buffers here and in the kernel, TLS, unread answers
// The memory of the process itself is outside the budget.
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
