// An operator's commands. Each throws Failure.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_COMMANDS_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_COMMANDS_H_

#include "server/command_line.h"

namespace tcsync::server {

// clients_commands.cc
void ListClients(const CommandLine& command_line);
void ShowClient(const CommandLine& command_line);
void BanClient(const CommandLine& command_line);
void UnbanClient(const CommandLine& command_line);
void ResetToken(const CommandLine& command_line);
void ClearToken(const CommandLine& command_line);
void AcceptDiverged(const CommandLine& command_line);
void RefuseDiverged(const CommandLine& command_line);

// history_commands.cc
void ListVersions(const CommandLine& command_line);
void RewindClient(const CommandLine& command_line);
void RestoreClient(const CommandLine& command_line);

// transfer_commands.cc
void ExportClients(const CommandLine& command_line);
void ImportClients(const CommandLine& command_line);

// import_reference_command.cc
void ImportReference(const CommandLine& command_line);

// insight_commands.cc
void ShowTop(const CommandLine& command_line);
void ShowOptionsInForce(const CommandLine& command_line);
void ChangeLogLevel(const CommandLine& command_line);

// invites_commands.cc
void ListInvites(const CommandLine& command_line);
void CreateInvite(const CommandLine& command_line);
void RevokeInvite(const CommandLine& command_line);

// upkeep_commands.cc
void ShowStats(const CommandLine& command_line);
void Verify(const CommandLine& command_line);
void Prune(const CommandLine& command_line);
void RepairLog(const CommandLine& command_line);

// erasure_commands.cc
void DeleteClients(const CommandLine& command_line);
void Compact(const CommandLine& command_line);

// storage_commands.cc
void CheckStorage(const CommandLine& command_line);
void UpgradeStorage(const CommandLine& command_line);

// backup_commands.cc
void MakeBackup(const CommandLine& command_line);
void ListBackups(const CommandLine& command_line);
void Restore(const CommandLine& command_line);
void Salvage(const CommandLine& command_line);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_COMMANDS_H_
