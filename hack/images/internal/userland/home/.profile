# Read by login shells.

if [ -n "$BASH_VERSION" ] && [ -r "$HOME/.bashrc" ]; then
	. "$HOME/.bashrc"
fi

for directory in "$HOME/bin" "$HOME/.local/bin"; do
	case ":$PATH:" in
	*":$directory:"*) ;;
	*) if [ -d "$directory" ]; then PATH="$directory:$PATH"; fi ;;
	esac
done
unset directory
export PATH
